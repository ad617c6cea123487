//! What lies in an image, as text.

use super::env::Env;

/// One line for each path: type and mode, owner, path; a link's target, a file's content.
const LIST: &str = r#"
find "$@" | sort | while IFS= read -r path; do
  line=$(stat -c '%A %u:%g %n' "$path")
  if [ -L "$path" ]; then echo "$line -> $(readlink "$path")"
  elif [ -f "$path" ]; then echo "$line = $(cat "$path")"
  else echo "$line"
  fi
done"#;

/// Lists what is at and below `paths` in an image that has a shell, in a container whose name is always the same.
pub(crate) fn list(env: &Env, image: &str, paths: &[&str]) -> String {
    let run = ["run", "--rm", "--network", "none", "--hostname", "tree", image, "/bin/sh", "-c", LIST, "sh"];
    env.strata(run.iter().chain(paths)).success().stdout
}
