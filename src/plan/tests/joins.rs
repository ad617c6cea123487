//! Plans for several platforms as one.

use super::fixtures::{options, plan};
use crate::plan::{Chosen, Joint, Options, Place, Plan, Root, StepId, StepKind, join};

const TEXT: &str = "
FROM --platform=$BUILDPLATFORM bb AS build
RUN once
ARG TARGETARCH
RUN for $TARGETARCH
FROM scratch
COPY --from=build /x /
";

fn joint(platforms: [&str; 2]) -> Joint {
    let plans: Vec<Plan> = platforms
        .map(|platform| {
            let platform = platform.parse().unwrap();
            plan(TEXT, &Options { platform, chosen: Chosen::AmongOthers, ..options() }).unwrap()
        })
        .into();
    join(&plans.iter().collect::<Vec<_>>())
}

#[test]
fn equal_work_is_one_step_and_ids_lead_to_the_own_one() {
    let Joint { plan, steps } = joint(["linux/amd64", "linux/arm64"]);
    let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "[linux/amd64 build 2/3] RUN once",
            "[linux/amd64 build 3/3] RUN for $TARGETARCH",
            "[linux/amd64 stage-1 1/1] COPY --from=build /x /",
            "[linux/amd64->arm64 build 3/3] RUN for $TARGETARCH",
            "[linux/arm64 stage-1 1/1] COPY --from=build /x /",
        ]
    );
    assert_eq!(plan.bases.len(), 1);
    assert_eq!(steps, [[0, 1, 2].map(StepId), [0, 3, 4].map(StepId)]);
    assert_eq!(plan.steps[3].from, Root::Step(StepId(0)));
    let StepKind::Copy(copy) = &plan.steps[4].kind else { panic!("{:?}", plan.steps[4]) };
    assert_eq!(copy.from, Place::Root(Root::Step(StepId(3))));
    assert_eq!(plan.target.root, Root::Step(StepId(2)));
}

#[test]
fn what_is_done_for_two_others_is_said_to_be_for_neither() {
    let Joint { plan, .. } = joint(["linux/arm64", "linux/s390x"]);
    assert_eq!(plan.bases[0].name, "[linux/amd64 build 1/3] FROM docker.io/library/bb:latest");
    assert_eq!(plan.steps[0].name, "[linux/amd64 build 2/3] RUN once");
    assert_eq!(plan.steps[1].name, "[linux/amd64->arm64 build 3/3] RUN for $TARGETARCH");
}
