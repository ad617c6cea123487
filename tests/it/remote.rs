//! What is fetched: `testdata/remote`, a Dockerfile, a web and the expected image each.

use crate::support::case;

#[test]
fn what_is_fetched_is_put_and_fetched_again_only_if_it_changed() {
    case::run_all("remote");
}
