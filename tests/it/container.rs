//! `strata run`: what is given to a container, its terminal and its ports.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;

use rustix::process::Signal;

use crate::support::client::{ask, free_port};
use crate::support::env::Env;
use crate::support::terminal::on_a_terminal;
use crate::support::user::User;

#[test]
fn flags_reach_the_command() {
    let env = Env::with_busybox();
    fs::write(env.path("vars"), "# a remark\nA=from file\nB=\n\nC\n").unwrap();
    fs::create_dir(env.path("shared")).unwrap();
    fs::write(env.path("shared/f"), "from the machine\n").unwrap();
    for (args, command, expected) in [
        (&["-e", "A=1", "--env", "A=2"][..], "echo $A", "2\n"),
        (&["--env-file", "vars"], "echo $A.$B.${C-unset}", "from file..unset\n"),
        (&["--env-file", "vars", "-e", "A=given"], "echo $A", "given\n"),
        (&["-w", "/etc"], "pwd", "/etc\n"),
        (&["-w", "/not/there"], "pwd", "/not/there\n"),
        (&["-u", "u"], "id -u; id -g; id -G; echo $HOME", "1000\n1001\n1001 50\n/home/u\n"),
        (&["-u", "7:8"], "id -u; id -g", "7\n8\n"),
        (&["-h", "somebody", "--network=none"], "hostname", "somebody\n"),
        (
            &["-h", "somebody", "--network=none"],
            "cat /etc/hostname; echo $HOSTNAME; grep somebody /etc/hosts",
            "somebody\nsomebody\n127.0.1.1\tsomebody\n",
        ),
        (&["-e", "HOSTNAME=x"], "echo $HOSTNAME", "x\n"),
        (&["-u", "7:8", "--group-add", "root", "--group-add", "77"], "id -G", "8 0 77\n"),
        (
            &["--network=none", "--dns=192.0.2.9", "--dns-search=x", "--dns-option=ndots:3"],
            "grep -E '^(nameserver|search|options)' /etc/resolv.conf",
            "nameserver 192.0.2.9\nsearch x\noptions ndots:3\n",
        ),
        (
            &["--cap-add", "net_admin", "--cap-drop", "CAP_MKNOD"],
            "grep CapEff /proc/self/status",
            "CapEff:\t00000000a00435fb\n",
        ),
        (
            &["--cap-drop=ALL", "--cap-add=CHOWN"],
            "grep CapBnd /proc/self/status",
            "CapBnd:\t0000000000000001\n",
        ),
        (&["--cap-add", "SYS_ADMIN"], "mkdir /m && mount -t tmpfs m /m && echo mounted", "mounted\n"),
        (&["--privileged"], "grep Seccomp: /proc/self/status", "Seccomp:\t0\n"),
        (&["--read-only"], "touch /f 2>/dev/null || echo refused", "refused\n"),
        (&["-v", "./shared:/v"], "cat /v/f; echo written > /v/g; mkdir /v/d", "from the machine\n"),
        (
            &["-v", "./shared/f:/etc/f:ro"],
            "cat /etc/f; (echo x > /etc/f) 2>/dev/null || echo refused",
            "from the machine\nrefused\n",
        ),
        (&["-v", "./made/here:/v", "--tmpfs", "/v/t"], "touch /v/t/x; ls /v; ls /v/t", "t\nx\n"),
        (&["--tmpfs", "/t:size=64k"], "df -k /t | awk 'NR == 2 { print $2 }'; stat -c %a /t", "64\n1777\n"),
        (&["--init"], "readlink /proc/1/exe | grep -c sh || true", "0\n"),
    ] {
        let args = [&["run", "--rm"], args, &["busybox", "sh", "-c", command]].concat();
        assert_eq!(env.strata(args).success().stdout, expected, "{command}");
    }
    assert_eq!(fs::read_to_string(env.path("shared/g")).unwrap(), "written\n");
    assert!(env.path("made/here").is_dir(), "as in Docker, what is missing is made");
    let said = env.strata(["run", "--rm", "--entrypoint", "/bin/echo", "busybox", "a", "b"]).success().stdout;
    assert_eq!(said, "a b\n");
}

#[test]
fn volumes_of_the_image_can_be_written_to_in_a_read_only_container() {
    let dockerfile = "FROM busybox\nRUN mkdir /data && echo one >/data/f && chown 5:6 /data && ln -s data /link\n\
                      VOLUME /link /fresh/sub\n";
    let script = "cat /data/f; stat -Lc %u:%g /link; echo two >>/link/f; cat /link/f; echo x >/fresh/sub/x; cat /fresh/sub/x; \
                  for f in /y /fresh/y; do touch $f 2>/dev/null || echo refused; done; touch /t/t/x; ls /t/t; pwd; \
                  wc -l </etc/hostname";
    for env in [Env::new(), Env::as_user(User::with_ranges()), Env::without_overlays()] {
        env.add_busybox();
        let context = env.dockerfile("context", dockerfile);
        let _ = env.strata(["build", "-q", "-t", "image", context.to_str().unwrap()]).success();
        for _ in 0..2 {
            let flags = ["run", "--rm", "--read-only", "--network=none", "--tmpfs=/t/t", "-w", "/no/where"];
            let said = env.strata(flags.iter().chain(&["image", "sh", "-c", script])).success().stdout;
            assert_eq!(said, "one\n5:6\none\ntwo\nx\nrefused\nrefused\nx\n/no/where\n1\n");
        }
    }
}

#[test]
fn what_is_no_capability_is_said() {
    let env = Env::with_busybox();
    for (flag, expected) in [
        (
            "--cap-add=SYS_ROOT",
            "error: `--cap-add SYS_ROOT` is no capability\nhelp: capabilities(7) has their names\n",
        ),
        (
            "--security-opt=no-new-privileges",
            "error: not supported yet: `--security-opt no-new-privileges`\nhelp: `seccomp=unconfined` is there\n",
        ),
        ("--dns-search=a b", "error: `--dns-search a b` is not one word\n"),
    ] {
        assert_eq!(env.strata(["run", "--rm", flag, "busybox", "true"]).code(125).stderr, expected);
    }
}

#[test]
fn input_reaches_the_command_if_it_is_asked_for() {
    let env = Env::with_busybox();
    for (flags, expected) in [(&["-i"][..], "5\n"), (&[], "0\n")] {
        let args = ["run", "--rm"].iter().chain(flags).chain(&["busybox", "wc", "-c"]);
        let mut child = env.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // A command that does not read may be gone before.
        let _ = child.stdin.take().unwrap().write_all(b"12345");
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{flags:?}");
    }
}

#[test]
fn a_command_has_a_terminal_of_its_own() {
    let env = Env::with_busybox();
    let on_terminal = |script, typed| {
        on_a_terminal(&env, &["container", "run", "--rm", "-it", "busybox", "sh", "-c", script], typed)
    };
    let script =
        "tty; stty size; ls -l $(tty) | cut -c1; test -t 0 && test -t 1 && test -t 2; echo $?; exit 7";
    let (code, shown) = on_terminal(script, ("", ""));
    assert_eq!((code, shown.as_str()), (Some(7), "/dev/pts/0\n33 77\nc\n0\n"));

    // What is typed comes in, and only the container's terminal echoes it.
    let (code, shown) = on_terminal("echo say; read line; echo got $line", ("say", "a word\n"));
    assert_eq!((code, shown.as_str()), (Some(0), "say\na word\ngot a word\n"));

    // Ctrl-C is for the command.
    let script = "trap 'echo interrupted; exit 3' INT; echo ready; while :; do read line; done";
    let (code, shown) = on_terminal(script, ("ready", "\u{3}"));
    assert_eq!((code, shown.as_str()), (Some(3), "ready\n^Cinterrupted\n"));
}

#[test]
fn a_terminal_needs_a_terminal() {
    let env = Env::with_busybox();
    let refused = env.strata(["run", "--rm", "-it", "busybox", "true"]).code(125).stderr;
    assert!(refused.contains("the input device is not a terminal"), "{refused}");
}

#[test]
fn a_published_port_answers_until_the_container_ends() {
    let env = Env::with_busybox();
    let port = free_port();
    let args = ["run", "--rm", "--network=default", "-p", &format!("127.0.0.1:{port}:80"), "busybox"];
    let server = "echo hello from inside > /index.html; exec httpd -f -p 80 -h /";
    let server = env.spawn(args.iter().copied().chain(["sh", "-c", server]));
    let answer = ask(Ipv4Addr::LOCALHOST.into(), port);
    assert!(answer.ends_with("\r\n\r\nhello from inside\n"), "{answer}");

    // Nobody else gets it.
    let refused = env.strata(args.iter().copied().chain(["true"])).code(125).stderr;
    assert!(refused.contains(&format!("cannot publish port {port}: it is in use")), "{refused}");

    server.signal(Signal::TERM);
    let (status, _, stderr) = server.end();
    assert_eq!((status.code(), stderr.as_str()), (Some(143), ""));
    let _ = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free again");
}

#[test]
fn containers_have_a_network_of_their_own() {
    let env = Env::with_busybox();
    let interfaces = "ls /sys/class/net | sort | tr '\\n' ' '";
    for (network, expected) in [("default", "eth0 lo "), ("none", "lo ")] {
        let network = format!("--network={network}");
        let said = env.strata(["run", "--rm", &network, "busybox", "sh", "-c", interfaces]).success().stdout;
        assert_eq!(said, expected, "{network}");
    }
    let namespace = fs::read_link("/proc/self/ns/net").unwrap();
    let said =
        env.strata(["run", "--rm", "--network=host", "busybox", "readlink", "/proc/self/ns/net"]).success();
    assert_eq!(said.stdout.trim_end(), namespace.to_str().unwrap());
}

#[test]
fn volumes_that_cannot_be_had_are_refused() {
    let env = Env::with_busybox();
    for (flag, value, expected) in [
        ("-v", "data:/v", "not supported yet: `--volume data:/v`, which names a volume"),
        ("-v", "/v", "not supported yet: `--volume /v` without a directory of the machine"),
        ("-v", "/a:b", "`--volume /a:b`: `b` is not absolute"),
        ("-v", "/a:/b:z", "not supported yet: `--volume /a:/b:z` with the option `z`"),
        ("-v", "a:b:c:d", "`--volume a:b:c:d` is no volume"),
        ("--tmpfs", "t", "`--tmpfs t`: `t` is not absolute"),
        ("--tmpfs", "/t:mode=700", "not supported yet: `--tmpfs /t:mode=700` with the option `mode=700`"),
    ] {
        let refused = env.strata(["run", "--rm", flag, value, "busybox", "true"]).code(125).stderr;
        assert!(refused.starts_with(&format!("error: {expected}")), "{refused}");
    }
}
