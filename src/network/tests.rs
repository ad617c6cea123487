//! Real namespaces, made by the real helper. They need root, and the Debian packages netavark and iptables.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::sys::namespace::in_network;

/// Runs something in a namespace.
fn inside<T: Send>(namespace: BorrowedFd<'_>, act: impl FnOnce() -> T + Send) -> T {
    in_network(namespace, act).expect("a namespace can be entered")
}

fn exists(bridge: &str) -> bool {
    Path::new("/sys/class/net").join(bridge).exists()
}

/// All tests and commands of the machine share the slots.
fn networks() -> Networks {
    Networks::new(DIRECTORY.into())
}

#[test]
fn sandboxes_get_out_but_not_to_each_other() {
    let networks = networks();
    let (one, two) = (networks.take().unwrap(), networks.take().unwrap());
    let address = |network: &Network<'_>| network.slot().subnet.container();
    assert_ne!(address(&one), address(&two));

    // Both may have the same port.
    let listen =
        |network: &Network<'_>| inside(network.namespace(), || TcpListener::bind("0.0.0.0:5432").unwrap());
    let listeners = [listen(&one), listen(&two)];

    // The machine is reached by the gateway's address.
    let host = TcpListener::bind((one.gateway().unwrap(), 0)).unwrap();
    let to_host = host.local_addr().unwrap();
    let limit = Duration::from_secs(5);
    inside(one.namespace(), || TcpStream::connect_timeout(&to_host, limit)).expect("the machine is reached");

    // The other sandbox is not, by whatever address.
    let to_other = SocketAddr::from((address(&two), 5432));
    let limit = Duration::from_millis(300);
    inside(one.namespace(), || TcpStream::connect_timeout(&to_other, limit))
        .expect_err("they are kept apart");
    drop(listeners);

    let known = [one.slot().name(), two.slot().name()];
    drop((one, two));
    let again = networks.take().unwrap();
    assert!(known.contains(&again.slot().name()), "a free namespace is used again");
    drop(again);
    networks.close_free();
    assert!(!known.iter().any(|bridge| exists(bridge)), "bridges of {known:?} are left");
}

#[test]
fn one_that_is_begun_is_the_first_that_is_taken_and_both_ways_are_waited_for() {
    let networks = networks();
    networks.begin();
    networks.begin();
    let one = networks.take().unwrap();
    let two = networks.take().unwrap();
    let bridges = [one.slot().name(), two.slot().name()];
    assert!(bridges.iter().all(|bridge| exists(bridge)), "{bridges:?}");
    drop(one);
    networks.begin_close();
    drop(two);
    networks.close_free();
    assert!(!bridges.iter().any(|bridge| exists(bridge)), "bridges of {bridges:?} are left");

    // One that nobody takes goes, too, and is not in the way of another.
    let unused = self::networks();
    unused.begin();
    unused.begin_close();
    let bridge = unused.take().unwrap().slot().name();
    drop(unused);
    assert!(!exists(&bridge), "{bridge} is left");
}

#[test]
fn a_published_port_leads_inside_and_is_taken() {
    let networks = networks();
    // A port that is free now.
    let host_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = PublishedPort {
        host_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        host_port,
        container_port: 80,
        protocol: Protocol::Tcp,
    };
    let network = networks.publish(std::slice::from_ref(&port)).unwrap();
    let listener = inside(network.namespace(), || TcpListener::bind("0.0.0.0:80").unwrap());
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| listener.accept().unwrap().0.write_all(b"hello").unwrap());
        let mut answer = String::new();
        TcpStream::connect(("127.0.0.1", host_port)).unwrap().read_to_string(&mut answer).unwrap();
        answer
    });
    assert_eq!(answer, "hello");

    let taken = networks.publish(&[port]).expect_err("the port is in use");
    assert!(matches!(taken, NetworkError::PortTaken { .. }), "{taken}");
}

#[test]
fn what_a_killed_process_left_is_taken_down() {
    let networks = networks();
    let network = networks.take().unwrap();
    let bridge = network.slot().name();
    let configuration = network.slot().configuration_file();
    assert!(exists(&bridge) && configuration.exists());
    // As if the process were gone: lock and namespace go, nothing else.
    network.abandon();
    networks.clean();
    assert!(!configuration.exists());
    assert!(!exists(&bridge));
}
