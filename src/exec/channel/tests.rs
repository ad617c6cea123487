//! What is sent comes back as it was.

use super::*;

fn spec() -> Spec {
    Spec {
        root: Root {
            lowers: vec!["/a".into(), OsString::from_vec(vec![b'/', 0xff]).into()],
            skeleton: "/s".into(),
            upper: Some(Upper { dir: "/u".into(), work: "/w".into() }),
            plain: false,
            volatile: true,
            mount_api: MountApi::Classic,
        },
        args: vec!["sh".into(), "-c".into(), "true".into()],
        env: vec![("A".into(), OsString::from_vec(vec![0xfe]))],
        cwd: "/x".into(),
        user: "u:g".into(),
        hostname: "h".into(),
        network: Network::None,
        hosts: b"127.0.0.1 localhost\n".to_vec(),
        resolv_conf: Some(vec![]),
        script: Some(Script { name: "EOF".into(), content: b"#!/bin/sh\n".to_vec() }),
        insecure: true,
        resources: vec![ResourceLimit { resource: Resource::Nofile, soft: 1024, hard: u64::MAX }],
        shm_size: Some(1 << 20),
        mounts: [
            MountSource::Host { path: "/p".into(), inside: PathBuf::new() },
            MountSource::Layers { lowers: vec!["/l".into()], upper: None, inside: "i/j".into() },
            MountSource::Memory { size: Some(1) },
            MountSource::File { content: Secret(vec![0, 1]), mode: 0o400, uid: 1, gid: u32::MAX },
        ]
        .map(|source| Mount { target: "/t".into(), source, read_only: true })
        .to_vec(),
        filtered: true,
        groups: vec!["50".into()],
        capabilities: Capabilities::default(),
    }
}

#[test]
fn a_request_comes_back_as_it_was() {
    let plain = Spec {
        root: Root { upper: None, volatile: false, mount_api: MountApi::Best, ..spec().root },
        network: Network::Host,
        resolv_conf: None,
        script: None,
        insecure: false,
        resources: Vec::new(),
        shm_size: None,
        mounts: Vec::new(),
        filtered: false,
        groups: Vec::new(),
        capabilities: Capabilities::ALL,
        ..spec()
    };
    let terminal = Input::Terminal(Size { rows: 24, columns: 80 });
    let legacy = Kind::Legacy { controllers: vec!["cpu".into(), "cpuacct".into()] };
    for (spec, input, foreground, kinds) in [
        (spec(), Input::Given, false, vec![]),
        (plain.clone(), Input::Null, true, vec![legacy]),
        (plain, terminal, true, vec![Kind::Unified]),
    ] {
        let cgroup = Cgroup { kinds, limited: foreground, entered: !foreground };
        let bytes = Request::encode(&spec, &[1, 2, 3], input, foreground, &cgroup);
        let request = Request { spec, seccomp: vec![1, 2, 3], input, foreground, cgroup };
        assert_eq!(Request::decode(&bytes), Some(request));
        assert_eq!(Request::decode(&bytes[..bytes.len() - 1]), None);
    }
}

#[test]
fn reports_come_back_as_they_were_and_in_order() {
    let cpu = Duration::from_micros(5);
    let usage = Usage { cpu, max_rss: 4096, memory: None, read: 512, written: 1024 };
    let reports = [
        Report::Stub("/etc/hosts".into()),
        Report::Ended { status: Status::Exit(3), usage },
        Report::Ended { status: Status::Signal(9), usage },
        Report::Failed(Failure::Setup { step: "mount /proc".into(), errno: 22, log: "bad".into() }),
        Report::Failed(Failure::Upper { log: "no".into() }),
        Report::Failed(Failure::Command { errno: 2 }),
        Report::Failed(Failure::User(UserProblem::NoUser("x".into()))),
        Report::Failed(Failure::User(UserProblem::NoGroup("y".into()))),
        Report::Failed(Failure::User(UserProblem::Range("z".into()))),
        Report::Failed(Failure::User(UserProblem::Unmapped { uid: 7, gid: u32::MAX })),
    ];
    let all: Vec<u8> = reports.iter().flat_map(Report::encode).collect();
    let mut buffer = Vec::new();
    let mut taken = Vec::new();
    for byte in all {
        buffer.push(byte);
        taken.extend(Report::take(&mut buffer));
    }
    assert_eq!(taken, reports);
    assert!(buffer.is_empty());
}
