//! What it costs to bring an image of six layers to a registry on this machine and back: w9.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::generate;
use crate::measure::{all_in_turns, alone};
use crate::subject::Bench;
use crate::table::{Row, Target};

/// How long a registry may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// Fetches all blobs of the image at once, as many as there are cores.
const CURL: &str = "xargs -a digests -P $(nproc) -I{} curl -sSf -o blobs/{} $BASE/blobs/{}";
/// Unpacks all layers at once, each into a directory of its own.
const TAR: &str = "ls blobs | xargs -P $(nproc) -I{} sh -c 'mkdir unpacked/{} && tar -xzf blobs/{} -C unpacked/{}'; \
    sync --file-system unpacked";

/// w9: a pull beside `curl` and `tar`, and a push of what is there already.
pub(super) fn transfers(bench: &Bench) -> Result<Vec<Row>> {
    let context = bench.fresh("w9")?;
    generate::layers(&context)?;
    let registry = Registry::start(&bench.fresh("registry")?)?;
    let name = format!("{}/w9:1", registry.address);
    let store = bench.store("store")?;
    store.base("debian:12-slim")?;
    store.build(&["-t", &name], &context)?;
    store.strata(&["push", "-q", &name])?;
    let pushed = alone(bench.runs(10), |_| store.strata(&["push", "-q", &name]))?;

    let base = format!("BASE=http://{}/v2/w9", registry.address);
    // The config comes first in a manifest.
    bench.shell_now(&format!(
        "{base}; curl -sSf -H 'Accept: application/vnd.oci.image.manifest.v1+json' $BASE/manifests/1 |
         grep -o 'sha256:[0-9a-f]*' | tail -n +2 >digests"
    ))?;
    let [pulled, fetched, unpacked] = all_in_turns(
        bench.runs(5),
        [
            &mut |_| bench.store("other")?.strata(&["pull", "-q", &name]),
            &mut |_| {
                bench.fresh("blobs")?;
                bench.shell(&format!("{base}; {CURL}"))
            },
            &mut |_| {
                bench.fresh("unpacked")?;
                bench.shell(TAR)
            },
        ],
    )?;
    let slower = fetched.elapsed.max(unpacked.elapsed);
    Ok(vec![
        Row::new("w9, pull", pulled)
            .limit(slower, "the slower of curl and tar -xz, sync -f, both on all cores")
            .target(Target::Times(1.2)),
        Row::new("w9, curl alone", fetched),
        Row::new("w9, tar -xz, sync -f alone", unpacked),
        Row::new("w9, push of what is there", pushed).target(Target::AtMost(Duration::from_millis(50))),
    ])
}

/// Debian's `docker-registry` on the loopback interface. It ends with its value.
struct Registry {
    program: Child,
    address: String,
}

impl Registry {
    fn start(directory: &Path) -> Result<Self> {
        let (config, log) = (directory.join("config.yml"), directory.join("log"));
        let storage = directory.join("storage");
        let settings = format!(
            "version: 0.1\nlog: {{accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:0\", secret: bench}}\n",
            storage.display()
        );
        fs::write(&config, settings)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "docker-registry", "serve"]).arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let program = command.spawn().map_err(|error| format!("docker-registry: {error}"))?;
        let mut registry = Self { program, address: String::new() };
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let said = fs::read_to_string(&log)?;
            if let Some((_, rest)) = said.split_once("listening on ") {
                let is_address = |c: &char| c.is_ascii_digit() || matches!(c, '.' | ':');
                registry.address = rest.chars().take_while(is_address).collect();
                return Ok(registry);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err("docker-registry does not run: apt-get install docker-registry".into())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It has ended already if this fails.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
