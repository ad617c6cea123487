//! Which edit makes which steps run again: `testdata/cache`, a table of contexts, edits and builds.

use crate::support::case;

#[test]
fn an_edit_runs_what_depends_on_it_and_no_more() {
    case::run_all("cache");
}
