//! Networks of ordinary users, which `pasta` makes.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use rustix::process::Signal;

use crate::support::client::{ask, free_port};
use crate::support::env::{BUSYBOX, Env};
use crate::support::leftovers::{processes, wait_for_no_processes};
use crate::support::progress::Report;
use crate::support::user::{User, open_tun};

fn place() -> Env {
    assert!(std::path::Path::new("/usr/bin/pasta").exists(), "pasta is missing: apt-get install passt");
    open_tun();
    let env = Env::as_user(User::with_ranges());
    env.add_busybox();
    env
}

#[test]
fn a_run_has_a_network_from_which_the_machine_is_not_reached() {
    let env = place();
    let machine = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = machine.local_addr().unwrap().port();
    let script = format!(
        "ip -o addr | grep -v ' lo ' | grep -q inet && echo an address; \
         for host in 127.0.0.1 $(ip route | grep default | cut -d' ' -f3); do \
           nc -w 2 $host {port} </dev/null && echo reached $host; done; true"
    );
    let context = env.dockerfile("context", &format!("FROM busybox\nRUN {script}\n"));
    let args = ["build", "--progress=plain", "--network", "default", context.to_str().unwrap()];
    let said = Report::read(&env.strata(args).success().stderr).log();
    assert!(said.contains("an address"), "{said}");
    assert!(!said.contains("reached"), "{said}");
    machine.set_nonblocking(true).unwrap();
    machine.accept().expect_err("the machine's loopback was reached");
}

#[test]
fn a_published_port_leads_inside() {
    let env = place();
    let port = free_port();
    let publish = format!("127.0.0.1:{port}:80");
    let mut server = env.spawn([
        "run",
        "--rm",
        "--network=default",
        "-p",
        &publish,
        BUSYBOX,
        "sh",
        "-c",
        "echo hello | nc -l -p 80",
    ]);
    assert_eq!(ask(Ipv4Addr::LOCALHOST.into(), port), "hello\n");
    assert!(!server.wait_for(|_| false));
    wait_for_no_processes(&format!("127.0.0.1/{port}:80"));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let env = place();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let publish = format!("127.0.0.1:{port}:80");
    let said =
        env.strata(["run", "--rm", "--network=default", "-p", &publish, BUSYBOX, "true"]).code(125).stderr;
    assert!(said.contains(&format!("cannot publish port {port}: it is in use")), "{said}");
}

#[test]
fn nothing_of_a_network_outlives_a_killed_command() {
    let env = place();
    let port = free_port();
    let publish = format!("127.0.0.1:{port}:80");
    let marker = format!("127.0.0.1/{port}:80");
    let script = "echo ready >&2; sleep 1000";
    let mut running =
        env.spawn(["run", "--rm", "--network=default", "-p", &publish, BUSYBOX, "sh", "-c", script]);
    assert!(running.wait_for(|line| line == "ready"));
    assert!(!processes(&marker).is_empty(), "the network's process does not carry its port");
    running.signal(Signal::KILL);
    wait_for_no_processes(&marker);
}

#[test]
fn without_the_device_the_machines_network_serves_and_one_line_says_so() {
    let env = place();
    let User { uid, gid } = User::with_ranges();
    let hidden = |args: &[&str]| {
        let inner = env.command(args);
        let script = "mount -t tmpfs none /dev/net && id=$0 group=$1 && shift && \
                      exec setpriv --reuid $id --regid $group --clear-groups \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, &uid.to_string(), &gid.to_string()]);
        command.arg(inner.get_program()).args(inner.get_args()).current_dir(env.path(""));
        env.run(command)
    };
    let lack = "/dev/net/tun cannot be opened by this user (`chmod 0666 /dev/net/tun`, as root, opens it)";
    let context =
        env.dockerfile("context", "FROM busybox\nRUN ls /sys/class/net\nRUN readlink /proc/self/ns/net\n");
    let said = hidden(&["build", "--network=default", "--progress=plain", context.to_str().unwrap()])
        .success()
        .stderr;
    assert_eq!(said.matches(&format!("commands have the machine's network: {lack}")).count(), 1, "{said}");
    let machines = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert!(said.contains(machines.to_str().unwrap()), "{said}");

    let ran = hidden(&["run", "--rm", "--network=default", BUSYBOX, "true"]).success();
    assert_eq!(ran.stderr, format!("note: the container has the machine's network: {lack}\n"));
    let refused = hidden(&["run", "--rm", "--network=default", "-p", "8080:80", BUSYBOX, "true"]).code(125);
    assert!(
        refused.stderr.starts_with(&format!("error: cannot make a network for the container: {lack}")),
        "{}",
        refused.stderr
    );
}
