//! The rules: what each is called, what it asks for, and when it is shown.
//!
//! Names, descriptions and addresses of BuildKit's rules are BuildKit's, word by word, because directives and other
//! programs know them. Each rule has a page in `docs/rules`.

/// Something that a Dockerfile should, or should not, say.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name by which directives switch it off.
    pub name: &'static str,
    /// What it asks for, in a sentence.
    pub description: &'static str,
    /// Where BuildKit explains it; `None` for a rule of our own.
    pub url: Option<&'static str>,
    /// When its findings are shown.
    pub shown: Shown,
}

/// When the findings of a rule are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// In builds and in checks: what it finds is almost certainly not meant.
    Always,
    /// In checks only: a matter of cost or taste.
    InChecks,
    /// Only for those who ask for it by an `experimental` option.
    OnRequest,
}

impl Rule {
    /// The rule of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        RULES.iter().copied().find(|rule| rule.name == name)
    }
}

macro_rules! rules {
    ($($constant:ident: $name:literal $(@ $slug:literal)?, $shown:ident, $description:literal;)*) => {
        $(pub(super) static $constant: Rule = Rule {
            name: $name,
            description: $description,
            url: rules!(@url $($slug)?),
            shown: Shown::$shown,
        };)*

        /// Every rule: BuildKit's, then our own.
        pub static RULES: &[&Rule] = &[$(&$constant),*];
    };
    (@url) => { None };
    (@url $slug:literal) => { Some(concat!("https://docs.docker.com/go/dockerfile/rule/", $slug, "/")) };
}

rules! {
    STAGE_NAME_CASING: "StageNameCasing" @ "stage-name-casing", Always,
        "Stage names should be lowercase";
    FROM_AS_CASING: "FromAsCasing" @ "from-as-casing", Always,
        "The 'as' keyword should match the case of the 'from' keyword";
    NO_EMPTY_CONTINUATION: "NoEmptyContinuation" @ "no-empty-continuation", Always,
        "Empty continuation lines will become errors in a future release";
    CONSISTENT_INSTRUCTION_CASING: "ConsistentInstructionCasing" @ "consistent-instruction-casing", Always,
        "All commands within the Dockerfile should use the same casing (either upper or lower)";
    DUPLICATE_STAGE_NAME: "DuplicateStageName" @ "duplicate-stage-name", Always,
        "Stage names should be unique";
    RESERVED_STAGE_NAME: "ReservedStageName" @ "reserved-stage-name", Always,
        "Reserved words should not be used as stage names";
    JSON_ARGS_RECOMMENDED: "JSONArgsRecommended" @ "json-args-recommended", Always,
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals";
    MAINTAINER_DEPRECATED: "MaintainerDeprecated" @ "maintainer-deprecated", Always,
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author";
    UNDEFINED_ARG_IN_FROM: "UndefinedArgInFrom" @ "undefined-arg-in-from", Always,
        "FROM command must use declared ARGs";
    WORKDIR_RELATIVE_PATH: "WorkdirRelativePath" @ "workdir-relative-path", Always,
        "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes";
    UNDEFINED_VAR: "UndefinedVar" @ "undefined-var", Always,
        "Variables should be defined before their use";
    MULTIPLE_INSTRUCTIONS_DISALLOWED:
        "MultipleInstructionsDisallowed" @ "multiple-instructions-disallowed", Always,
        "Multiple instructions of the same type should not be used in the same stage";
    LEGACY_KEY_VALUE_FORMAT: "LegacyKeyValueFormat" @ "legacy-key-value-format", Always,
        "Legacy key/value format with whitespace separator should not be used";
    INVALID_BASE_IMAGE_PLATFORM: "InvalidBaseImagePlatform" @ "invalid-base-image-platform", Always,
        "Base image platform does not match expected target platform";
    REDUNDANT_TARGET_PLATFORM: "RedundantTargetPlatform" @ "redundant-target-platform", Always,
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior";
    SECRETS_USED_IN_ARG_OR_ENV: "SecretsUsedInArgOrEnv" @ "secrets-used-in-arg-or-env", Always,
        "Sensitive data should not be used in the ARG or ENV commands";
    INVALID_DEFAULT_ARG_IN_FROM: "InvalidDefaultArgInFrom" @ "invalid-default-arg-in-from", Always,
        "Default value for global ARG results in an empty or invalid base image name";
    FROM_PLATFORM_FLAG_CONST_DISALLOWED:
        "FromPlatformFlagConstDisallowed" @ "from-platform-flag-const-disallowed", Always,
        "FROM --platform flag should not use a constant value";
    COPY_IGNORED_FILE: "CopyIgnoredFile" @ "copy-ignored-file", Always,
        "Attempting to Copy file that is excluded by .dockerignore";
    INVALID_DEFINITION_DESCRIPTION:
        "InvalidDefinitionDescription" @ "invalid-definition-description", OnRequest,
        "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.";
    EXPOSE_PROTO_CASING: "ExposeProtoCasing" @ "expose-proto-casing", Always,
        "Protocol in EXPOSE instruction should be lowercase";
    EXPOSE_INVALID_FORMAT: "ExposeInvalidFormat" @ "expose-invalid-format", Always,
        "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release";

    BUILD_ARG_NOT_CONSUMED: "BuildArgNotConsumed", Always,
        "Build arguments should be declared by an ARG";
    SECRET_FILE_COPIED: "SecretFileCopied", Always,
        "Files with secrets should not be copied into a layer";
    SECRET_VALUE: "SecretValue", Always,
        "Keys and tokens should not be written into a Dockerfile";
    EMPTY_SOURCE: "EmptySource", Always,
        "A source of COPY or ADD should not be empty, because it stands for the whole context then";
    MALFORMED_JSON_FORM: "MalformedJsonForm", Always,
        "What looks like the JSON form should be valid JSON, because it is a shell command or a list of words otherwise";
    ENTRYPOINT_SWALLOWS_CMD: "EntrypointSwallowsCmd", Always,
        "A CMD has no effect behind an ENTRYPOINT in shell form";
    EFFECT_LOST_AFTER_RUN: "EffectLostAfterRun", Always,
        "A RUN should not only change its own shell, whose directory and variables end with it";
    ARG_OVERRIDES_ENV: "ArgOverridesEnv", Always,
        "An ARG should not replace an ENV of the same name, because the image keeps the value of the ENV";
    APT_UPDATE_ALONE: "AptUpdateAlone", Always,
        "Package lists should be fetched in the RUN that uses them, because a cached layer makes them old";
    APT_INSTALL_WITHOUT_UPDATE: "AptInstallWithoutUpdate", InChecks,
        "A RUN that installs packages should fetch the package lists itself";
    PACKAGE_CACHE_IN_LAYER: "PackageCacheInLayer", InChecks,
        "Caches of package managers should not stay in a layer of the image";
    DEPENDENCIES_AFTER_SOURCE: "DependenciesAfterSource", InChecks,
        "Dependencies should be installed before the sources are copied, so that an edit does not install them anew";
    CONTEXT_NOT_IGNORED: "ContextNotIgnored", InChecks,
        "What the image does not need should be in .dockerignore when the whole context is copied";
    COPY_PREFERRED: "CopyPreferred", InChecks,
        "COPY should be used where nothing is fetched or unpacked";
    UNPINNED_BASE_IMAGE: "UnpinnedBaseImage", InChecks,
        "Images should be named with a tag other than latest, or with a digest";
    SEVERAL_SOURCES_ONE_NAME: "SeveralSourcesOneName", InChecks,
        "The destination of several sources should end with a slash";
    LINK_DROPPED_BY_CHMOD: "LinkDroppedByChmod", InChecks,
        "--link should not be combined with --chmod, which switches it off in BuildKit";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_made_of_names() {
        for rule in RULES {
            let Some(url) = rule.url else { continue };
            let slug: String = url.rsplit('/').nth(1).unwrap_or_default().replace('-', "");
            assert_eq!(slug, rule.name.to_ascii_lowercase(), "{url}");
            assert_eq!(Rule::named(rule.name), Some(*rule));
        }
    }
}
