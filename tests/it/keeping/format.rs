//! Stores of earlier formats.

use rusqlite::Connection;

use crate::support::env::Env;

/// What a database is made of, as SQLite remembers it.
fn schema(env: &Env) -> Vec<String> {
    let connection = Connection::open(env.root().join("strata.db")).unwrap();
    let mut query =
        connection.prepare("SELECT name || ': ' || sql FROM sqlite_master ORDER BY name").unwrap();
    let found = query.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
    found.filter_map(Result::unwrap).collect()
}

fn version(env: &Env) -> i64 {
    let connection = Connection::open(env.root().join("strata.db")).unwrap();
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

/// The format of this strata.
const FORMAT: i64 = 5;

/// What the steps after the first format have added.
const LATER: [&str; 7] = [
    "container_layers",
    "containers",
    "repo_digests",
    "distributed",
    "index_blobs",
    "index_images",
    "indexes",
];

/// Tables that the first format had besides, and what else it had otherwise: its references named images only.
const FIRST: &str = "
CREATE TABLE leases (work TEXT NOT NULL, diff_id BLOB NOT NULL, PRIMARY KEY (work, diff_id)) WITHOUT ROWID;
CREATE TEMP TABLE named AS SELECT name, manifest FROM refs;
DROP TABLE refs;
CREATE TABLE refs (name TEXT PRIMARY KEY, manifest BLOB NOT NULL REFERENCES images ON DELETE CASCADE) WITHOUT ROWID;
CREATE INDEX refs_by_manifest ON refs (manifest);
INSERT INTO refs SELECT name, manifest FROM named;
";

/// The first format had neither containers nor registries nor indexes; all else was as it is.
fn make_first_format(env: &Env) {
    let connection = Connection::open(env.root().join("strata.db")).unwrap();
    connection.execute_batch(FIRST).unwrap();
    connection.execute_batch(&LATER.map(|table| format!("DROP TABLE {table};")).concat()).unwrap();
    connection.execute_batch("PRAGMA user_version = 1").unwrap();
}

#[test]
fn a_store_of_the_first_format_becomes_one_of_this() {
    let env = Env::with_busybox();
    let (now, id) = (schema(&env), env.image_id("busybox"));
    make_first_format(&env);
    assert_ne!(schema(&env), now);
    let _ = env.strata(["run", "--name", "kept", "busybox", "touch", "/new"]).success();
    assert_eq!((schema(&env), version(&env)), (now, FORMAT));
    assert_eq!(env.image_id("busybox"), id);
    assert_eq!(env.strata(["diff", "kept"]).success().stdout, "A /new\n");
}

#[test]
fn several_that_find_an_old_store_make_it_new_once() {
    let env = Env::with_busybox();
    make_first_format(&env);
    let all: Vec<_> = (0..4).map(|_| env.spawn(["images", "-q"])).collect();
    for one in all {
        let (status, _, stderr) = one.end();
        assert!(status.success(), "{stderr}");
    }
    assert_eq!(version(&env), FORMAT);
}

#[test]
fn a_store_of_a_later_format_is_refused_and_left_alone() {
    let env = Env::with_busybox();
    let database = Connection::open(env.root().join("strata.db")).unwrap();
    database.execute_batch("PRAGMA user_version = 99").unwrap();
    let refused = env.strata(["images"]).code(1).stderr;
    assert_eq!(
        refused,
        format!(
            "error: the store at [DIR]/store has format 99, and this strata reads formats up to {FORMAT}\n"
        )
    );
    assert_eq!(version(&env), 99);
}
