//! What instructions make: `testdata/build`, a Dockerfile, a context and the expected image each.

use crate::support::case;
use crate::support::env::Env;
use crate::support::user::User;

#[test]
fn instructions_make_what_they_say() {
    case::run_all("build");
}

#[test]
fn they_make_the_same_for_an_ordinary_user() {
    let user = User::with_ranges();
    case::run_all_in("build", || Env::as_user(user));
}

#[test]
fn they_make_the_same_where_roots_are_copied() {
    // The names of a file that an overlay writes to come apart, those of a copy do not.
    case::run_all_but(&["copy_hard_links.case"], "build", Env::without_overlays);
}
