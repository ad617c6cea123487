//! What instructions make: `testdata/build`, a Dockerfile, a context and the expected image each.

use crate::support::case;

#[test]
fn instructions_make_what_they_say() {
    case::run_all("build");
}
