//! What a step's fingerprint depends on.

use super::fixtures::{options, plan, read_options};
use crate::oci::{Digest, FingerprintHasher};
use crate::plan::Plan;

fn of_last_step(plan: &Plan) -> Digest {
    let mut hasher = FingerprintHasher::new("test");
    hasher.value(&plan.steps.last().expect("there is a step").kind);
    hasher.finish()
}

fn of(instructions: &str) -> Digest {
    of_last_step(&plan(&format!("FROM bb AS first\nRUN other\nFROM bb\n{instructions}"), &options()).unwrap())
}

#[test]
fn whatever_changes_the_result_changes_the_fingerprint() {
    let groups: [&[&str]; 3] = [
        &[
            "RUN a",
            "RUN [\"a\"]",
            "RUN [\"/bin/sh\", \"-c\", \"a\", \"\"]",
            "RUN --network=none a",
            "USER u\nRUN a",
            "WORKDIR /w\nRUN a",
            "ENV x=\nRUN a",
            "ENV x=1\nRUN a",
            "ARG y=1\nRUN a",
            "SHELL [\"/bin/sh\", \"-ec\"]\nRUN a",
            "RUN <<EOF\na\nEOF",
            "RUN <<EOF\n#!/bin/a\nEOF",
            "RUN <<EOF\n#!/bin/b\nEOF",
            "RUN <<FOE\n#!/bin/b\nFOE",
            "RUN --mount=target=/m a",
            "RUN --mount=target=/n a",
            "RUN --mount=target=/m,rw a",
            "RUN --mount=target=/m --mount=target=/n a",
            "RUN --mount=type=tmpfs,target=/m a",
            "RUN --mount=type=tmpfs,target=/m,size=1m a",
            "RUN --mount=type=cache,target=/m a",
            "RUN --mount=type=cache,target=/m,id=i a",
            "RUN --mount=type=cache,target=/m,ro a",
            "RUN --mount=type=cache,target=/m,mode=0700 a",
            "RUN --mount=type=cache,target=/m,source=d a",
            "RUN --mount=type=cache,target=/m,from=first a",
            "RUN --mount=type=secret,id=i a",
            "RUN --mount=type=secret,id=j a",
            "RUN --mount=type=secret,id=i,required a",
            "RUN --mount=type=secret,id=i,uid=1 a",
            "RUN --mount=type=secret,id=i,env=A a",
            "RUN --mount=type=secret,id=i,env=B a",
            "RUN --mount=type=secret,id=i,env=A,target=/m a",
            "RUN --mount=type=ssh a",
            "RUN --mount=type=ssh,id=i a",
            "RUN --mount=type=ssh --mount=type=ssh a",
        ][..],
        &[
            "COPY a /b",
            "COPY a /b/",
            "COPY a /c",
            "COPY a b /b",
            "COPY [\"a b\", \"/b\"]",
            "COPY --chown=0 a /b",
            "COPY --chmod=644 a /b",
            "COPY --chmod=u=rw a /b",
            "COPY --chmod=u=r a /b",
            "COPY --chmod=u=w a /b",
            "COPY --chmod=u=g a /b",
            "COPY --chmod=u+w a /b",
            "COPY --chmod=u=X a /b",
            "COPY --from=first a /b",
            "COPY --exclude=x a /b",
            "COPY --exclude=!x a /b",
            "COPY --exclude=x --exclude=y a /b",
            "COPY --exclude=y --exclude=x a /b",
            "COPY --parents a /b",
            "COPY --parents a/c /b",
            "COPY --parents a/./c /b",
            "COPY --link a /b",
            "ADD a /b",
            "ADD --unpack=true a /b",
            "ADD --link a /b",
            "COPY <<a /b\nEOF\na",
            "COPY <<a /b\nEOG\na",
            "COPY <<c /b\nEOF\nc",
        ],
        &["WORKDIR /a", "WORKDIR /b", "USER u\nWORKDIR /a"],
    ];
    let all: Vec<&str> = groups.concat();
    for (i, one) in all.iter().enumerate() {
        for other in &all[..i] {
            assert_ne!(of(one), of(other), "{one:?} and {other:?}");
        }
    }
}

#[test]
fn what_does_not_change_the_result_does_not_change_the_fingerprint() {
    for (one, other) in [
        ("RUN a", "# comment\nrun    a"),
        ("RUN a", "LABEL x=y\nCMD z\nRUN a"),
        ("RUN a", "ARG unset\nRUN a"),
        ("RUN a", "RUN --network=default a"),
        ("RUN a", "RUN before\nRUN a"),
        ("RUN --mount=target=/m a", "RUN --mount=type=bind,readonly,source=other,dst=/m/. a"),
        ("RUN --mount=target=/m a", "RUN --mount=from=first,target=/m a"),
        ("RUN --mount=target=/m --mount=target=/n a", "RUN --mount=target=/n --mount=target=/m a"),
        ("RUN --mount=type=cache,target=/m a", "RUN --mount=type=cache,target=/m,id=/m,sharing=locked a"),
        (
            "RUN --mount=type=cache,target=/m,id=i a",
            "RUN --mount=type=cache,target=/m,id=j,sharing=private a",
        ),
        ("RUN --mount=type=secret,id=i a", "RUN --mount=type=secret,target=/run/secrets/i,id=i,mode=0400 a"),
        ("ENV a=1 b=2\nRUN a", "ENV b=2 a=1\nRUN a"),
        ("COPY a /b", "COPY ./a/ //b"),
        ("COPY a /b", "USER u\nCOPY a /b"),
        ("COPY a /b", "ADD --unpack=false a /b"),
        ("COPY a /b", "COPY --link=false --parents=false --exclude= a /b"),
        ("COPY --chmod=644 a /b", "COPY --link --chmod=644 a /b"),
        ("COPY --parents a/./c /b", "COPY --parents /a//./x/../c/ /b"),
        ("COPY --parents a /b", "COPY --parents /./a /b"),
        ("COPY --exclude=x a /b", "ARG e=x\nCOPY --exclude=$e a /b"),
        ("COPY a /w/b", "WORKDIR /w\nCOPY a b"),
        ("COPY --chmod=0644 a /b", "ARG m=644\nCOPY --chmod=$m a /b"),
        ("COPY --chmod=a+x a /b", "COPY --chmod=+x a /b"),
        ("COPY --from=first a /b", "COPY --from=full a /b"),
        ("WORKDIR /a/b", "WORKDIR /a\nWORKDIR b"),
    ] {
        assert_eq!(of(one), of(other), "{one:?} and {other:?}");
    }
}

#[test]
fn proxies_do_not_count_unless_they_are_declared() {
    let with = |text, flags| of_last_step(&plan(text, &read_options(flags)).unwrap());
    let plain = "FROM bb\nRUN a";
    let declared = "FROM bb\nARG HTTP_PROXY\nRUN a";
    assert_eq!(with(plain, ""), with(plain, "--build-arg HTTP_PROXY=p --build-arg no_proxy=q"));
    assert_ne!(with(declared, "--build-arg HTTP_PROXY=p"), with(declared, "--build-arg HTTP_PROXY=q"));
}

/// A change here loses every user's cache: it must be meant, and the domain of the keys changed with it.
#[test]
fn fingerprints_stay_as_they_are() {
    for (instructions, expected) in [
        ("RUN --network=none a", "0b0313ca5fb15e567596336d5ea575e1c3ab9bc14cb54fd4d9390061111b5010"),
        ("RUN <<EOF\n#!/bin/a\nEOF", "921bed858f299b1377de1353c8e36708b6a6edc8b421507e17a564dafc484c92"),
        (
            "COPY --chown=1:2 --chmod=u=rwX,go-w a <<b /c/\nx\nb",
            "f03ed5b9fa857454b0348015571b9853e79c5a1fc90183dab27dec500dd10a7c",
        ),
        (
            "COPY --link --parents --exclude=x --exclude=!y a/./b /c",
            "10c822b3b332af9d7e6572d6b298fbc219739203839d62637ab50008b9331664",
        ),
        ("ADD --unpack=true a /c", "8f93a914cbe7406487deb41545555293d5dce590ad3464e363450b851d9f1672"),
        ("ADD --chmod=755 a /c", "11fe13c927569a803fed6d4056b02f5292432eac2eaa36821d2337afb323c354"),
        ("COPY --from=first a /c", "449cbaea62150b2a1744ccfbe16fe5662f2dd0e70c87a258bddca854eb231bf0"),
        (
            "RUN --mount=type=secret,id=i,env=A --mount=type=cache,target=/m a",
            "dd184124404e6acc73faca3480279b10759720fe9899197d894e6f23c60e564b",
        ),
        (
            "RUN --mount=type=ssh --mount=target=/m,rw --mount=type=tmpfs,size=1,target=/n a",
            "f29a2b384ae5d13cda99c412e3f7e0141d38afe9ac019ee875327888b270a8df",
        ),
        ("USER u\nWORKDIR /a", "91062d7cca82850bad50911c915dd97c09433b43d25f143a1a6225b05b144c36"),
    ] {
        assert_eq!(of(instructions).hex(), expected, "{instructions:?}");
    }
}
