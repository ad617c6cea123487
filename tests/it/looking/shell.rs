//! What shells complete, and the manual.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::support::env::Env;

/// What bash offers for the last of these words.
fn offered(env: &Env, words: &[&str]) -> Vec<String> {
    let script = env.strata(["completions", "bash"]).success().stdout;
    fs::write(env.path("strata.bash"), script).unwrap();
    let bin = env.context("bin");
    let link = bin.join("strata");
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_strata"), &link).unwrap();
    }
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let line = words.join(" ");
    // As bash itself calls it for a TAB.
    let program = format!(
        ". ./strata.bash\nCOMP_WORDS=({})\nCOMP_CWORD={}\nCOMP_LINE='{line}'\nCOMP_POINT=${{#COMP_LINE}}\nCOMP_TYPE=9\n\
         function=$(complete -p strata | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n$function strata '{}' ''\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        quoted.join(" "),
        words.len() - 1,
        words.last().unwrap(),
    );
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", &program]).current_dir(env.path(".")).env_clear();
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).env("STRATA_ROOT", env.root());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The commands that the help names.
fn commands(env: &Env) -> BTreeSet<String> {
    let help = env.strata(["--help"]).success().stdout;
    let lines =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    lines.filter(|line| line.starts_with("  ") && !line.starts_with("   ")).filter_map(first).collect()
}

#[test]
fn bash_takes_the_script_and_completes_commands_flags_and_images() {
    let env = Env::with_busybox();
    let _ = env.strata(["tag", "busybox", "example.com/busy:1"]).success();
    let found: BTreeSet<String> = offered(&env, &["strata", ""]).into_iter().collect();
    let expected = commands(&env);
    assert!(expected.len() > 15 && found.is_superset(&expected), "{expected:?} {found:?}");
    assert!(!found.contains("man"), "{found:?}");
    assert_eq!(offered(&env, &["strata", "ima"]), ["images", "imagetools"]);
    assert_eq!(offered(&env, &["strata", "images", "--no"]), ["--no-trunc"]);
    assert_eq!(offered(&env, &["strata", "inspect", "bu"]), ["busybox:latest"]);
    for command in ["rmi", "run", "save", "push", "layers"] {
        assert_eq!(offered(&env, &["strata", command, "exa"]), ["example.com/busy:1"], "{command}");
    }
    assert_eq!(offered(&env, &["strata", "diff", "busybox", "exa"]), ["example.com/busy:1"]);
    let syntax =
        Command::new("bash").args(["-n", "strata.bash"]).current_dir(env.path(".")).status().unwrap();
    assert!(syntax.success());
}

#[test]
fn completing_makes_no_store() {
    let env = Env::new();
    assert_eq!(offered(&env, &["strata", "inspect", "bu"]), [""]);
    assert!(!env.root().exists());
}

#[test]
fn there_are_scripts_for_other_shells() {
    let env = Env::new();
    for (shell, words) in
        [("zsh", "#compdef strata"), ("fish", "complete --keep-order --exclusive --command strata")]
    {
        let script = env.strata(["completions", shell]).success().stdout;
        assert!(script.starts_with(words), "{shell}: {script}");
    }
    assert!(env.strata(["completions", "csh"]).code(1).stderr.contains("possible values: bash, zsh, fish"));
}

#[test]
fn every_command_has_a_page_that_the_manual_takes() {
    let env = Env::new();
    let _ = env.strata(["man", "pages"]).success();
    let names: BTreeSet<String> = fs::read_dir(env.path("pages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for command in commands(&env).iter().filter(|command| *command != "help") {
        let page = format!("strata-{command}.1");
        assert!(names.contains(&page), "{page} {names:?}");
        let text = fs::read_to_string(env.path("pages").join(&page)).unwrap();
        // Flags are those of the help.
        let help = env.strata([command.as_str(), "--help"]).success().stdout;
        let flags = help.split(|c: char| c.is_whitespace() || matches!(c, ',' | '=' | '[' | '`'));
        for flag in flags.filter(|word| word.starts_with("--") && word.len() > 3) {
            let flag = flag.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            assert!(text.contains(&flag.replace('-', "\\-")), "{page} lacks {flag}");
        }
    }
    assert!(names.contains("strata.1") && names.contains("strata-manifest-inspect.1"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("man.1")), "{names:?}");
    let lint = Command::new("mandoc")
        .args(["-T", "lint", "-W", "error"])
        .args(names.iter().map(|name| env.path("pages").join(name)))
        .output()
        .expect("mandoc is missing: apt-get install mandoc");
    assert!(lint.status.success() && lint.stdout.is_empty(), "{}", String::from_utf8_lossy(&lint.stdout));
}
