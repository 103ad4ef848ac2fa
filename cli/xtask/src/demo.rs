//! The main job, end to end, on this machine: three real hosts in the lab, one inventory, one
//! apply, health checks. A second run finds nothing to do.

use std::fs;
use std::time::Instant;

use crate::shell::{self, Result};
use crate::{dist, setup};

const DOMAIN: &str = "meet.test";

/// Sets up, builds, deploys, checks.
pub(crate) fn run() -> Result<()> {
    setup::run()?;
    let jitctl = dist::build()?;
    let folder = shell::root().join("dist/demo");
    fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let inventory = folder.join("jitctl.yaml");
    let started = Instant::now();
    let task = |arguments: &[&str]| {
        shell::run(
            shell::as_root(&jitctl)
                .arg("--file")
                .arg(&inventory)
                .args(arguments),
        )
    };

    shell::title("three bare Debian hosts");
    task(&["lab", "up", "--hosts", "3"])?;
    shell::title("an inventory and its secrets");
    task(&["init", "--lab", "--domain", DOMAIN])?;
    shell::title("deploy");
    task(&["apply", "--yes"])?;
    shell::title("health");
    // The site has an authority of its own: a browser would have to trust it, and so does curl.
    let authority = folder.join("ca.crt");
    let certificate = shell::output(shell::as_root(&jitctl).arg("--file").arg(&inventory).args([
        "secrets",
        "show",
        "pki-ca-cert",
    ]))?;
    fs::write(&authority, certificate)
        .map_err(|error| format!("cannot write {}: {error}", authority.display()))?;
    let authority = authority.display().to_string();
    task(&[
        "lab",
        "exec",
        "client",
        "--",
        "curl",
        "-fsS",
        "--cacert",
        &authority,
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} from %{url_effective}\\n",
        "https://meet.test/",
    ])?;
    if let Err(error) = task(&["doctor"]) {
        // What it found is printed; the site is up all the same.
        println!("  {error}");
    }
    task(&["status"])?;
    println!(
        "\nhttps://{DOMAIN}/ is up, {:.0} s after the build.\n\
         Next: `dist/jitctl -f dist/demo/jitctl.yaml plan`; `dist/jitctl lab down` removes it all.",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}
