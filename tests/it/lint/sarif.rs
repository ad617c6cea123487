//! The structure of SARIF 2.1.0, as far as its schema demands it of what we write.

use serde_json::Value;

use crate::support::env::Env;

const DOCKERFILE: &str = "FROM alpine:3.20 as build\nENV täg one\n  WORKDIR a b\nEXPOSE 80 x\n";

#[test]
fn findings_and_errors_are_results() {
    let env = Env::new();
    let context = env.dockerfile("con text", DOCKERFILE);
    let output = env.strata([
        "build".as_ref(),
        "--check".as_ref(),
        "--format".as_ref(),
        "sarif".as_ref(),
        context.as_os_str(),
    ]);
    let other =
        env.strata(["build".as_ref(), "--call=check,format=sarif".as_ref(), context.as_os_str()]).code(1);
    let output = output.code(1);
    assert_eq!(output.stdout, other.stdout, "both ways of asking give the same");

    let log: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((log["version"].as_str(), log["runs"].as_array().unwrap().len()), (Some("2.1.0"), 1));
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "strata");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(!rule["shortDescription"]["text"].as_str().unwrap().is_empty(), "{rule}");
        assert!(
            matches!(rule["defaultConfiguration"]["level"].as_str(), Some("warning" | "error")),
            "{rule}"
        );
        assert!(
            rule.get("helpUri").is_none_or(|uri| uri.as_str().unwrap().starts_with("https://")),
            "{rule}"
        );
    }
    let lines: Vec<&str> = DOCKERFILE.lines().collect();
    let mut seen = Vec::new();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"], "{result}");
        assert!(!result["message"]["text"].as_str().unwrap().is_empty(), "{result}");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "con%20text/Dockerfile");
        let number = |key: &str| usize::try_from(place["region"][key].as_u64().unwrap()).unwrap();
        let (start, end) = (number("startLine"), number("endLine"));
        assert!((1..=end).contains(&start) && end <= lines.len(), "{result}");
        assert!(number("startColumn") >= 1, "{result}");
        assert!(number("endColumn") <= lines[end - 1].chars().count() + 1, "{result}");
        seen.push((result["ruleId"].as_str().unwrap(), start, result["level"].as_str().unwrap()));
    }
    assert_eq!(
        seen,
        [
            ("FromAsCasing", 1, "warning"),
            ("LegacyKeyValueFormat", 2, "warning"),
            ("WorkdirRelativePath", 3, "warning"),
            ("BuildError", 4, "error"),
        ]
    );
}
