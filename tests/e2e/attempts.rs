//! What is tried past Portreeve is seen, and recorded with who tried it.

use std::net::IpAddr;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail, ensure};
use e2e::process::{begin, finish, mortal, output};
use e2e::world::{JOB_UID, PASSWORD, ROLE, text};
use e2e::{Container, Setup, World, eventually, story};
use serde_json::Value;

/// A server on a port that nobody protects, and a guard over this world's jobs alone.
fn unprotected(content: &str) -> Setup {
    Setup {
        addresses: Some("[\"192.0.2.1:PORT\"]".to_owned()),
        intercept: format!("ports: [], cgroup: CGROUP, content: {content}"),
        own_port: true,
        ..Setup::default()
    }
}

/// psql of a job that knows the server's own password.
fn direct(world: &World, mut psql: Command) -> Result<Output> {
    psql.env("PGPASSWORD", PASSWORD).args([
        "-X",
        "-At",
        "-w",
        &format!("postgresql://{ROLE}@{}/shop", world.destination()),
    ]);
    finish(psql.args(["-c", "SELECT name FROM customers WHERE id = 1"]))
}

/// The only incident of that kind, once it is recorded.
fn the_incident(world: &World, kind: &str) -> Result<Value> {
    eventually("the incident is recorded", || match &world.daemon.incidents(kind)?[..] {
        [incident] => Ok(incident.clone()),
        incidents => bail!("{incidents:?}"),
    })
}

/// That a person is told this user and this program of it.
fn is_shown(world: &World, kind: &str, parts: &[&str]) -> Result<()> {
    let shown = output(&mut world.daemon.audit(&["incidents"])?)?;
    let line = shown.lines().find(|line| line.contains(kind)).with_context(|| shown.clone())?;
    for part in parts {
        ensure!(line.contains(part), "`{part}` is not in {line}");
    }
    Ok(())
}

#[test]
fn postgresql_on_a_port_that_nobody_protects_passes_and_the_record_says_who_speaks_it() -> Result<()> {
    story(&unprotected("report"), |world| {
        let container = Container::with_users(world)?;
        for (psql, uid, cgroup) in [
            (world.job().command("psql"), JOB_UID, world.cgroup()),
            (container.command("psql"), container.uid(), container.cgroup()),
        ] {
            let told = direct(world, psql)?;
            ensure!(told.status.success() && text(&told.stdout) == "Ada Lovelace\n", "{told:?}");
            let of_job = |incident: &Value| incident["principal"]["uid"] == uid;
            let told = eventually("it is recorded", || {
                let incidents = world.daemon.incidents("unprotected-postgresql")?;
                incidents
                    .iter()
                    .find(|incident| of_job(incident))
                    .cloned()
                    .with_context(|| format!("{incidents:?}"))
            })?;
            let who = &told["principal"];
            ensure!(who["comm"] == "psql" && who["cgroup"] == cgroup.as_str(), "{told}");
            ensure!(told["destination"] == world.destination().to_string(), "{told}");
            ensure!(told["detail"].as_str().is_some_and(|detail| detail.contains("it passes")), "{told}");
        }
        is_shown(world, "unprotected-postgresql", &["20001", "psql", &world.cgroup()])?;
        ensure!(world.daemon.status()?["interception"]["opening_found"] == 2);
        Ok(())
    })
}

#[test]
fn where_it_is_refused_the_client_is_told_and_the_server_never_hears_it() -> Result<()> {
    story(&unprotected("refuse"), |world| {
        let told = direct(world, world.job().command("psql"))?;
        let said = text(&told.stderr);
        ensure!(!told.status.success() && said.contains("Software caused connection abort"), "{said}");
        let told = the_incident(world, "unprotected-postgresql")?;
        ensure!(told["principal"]["uid"] == JOB_UID && told["principal"]["comm"] == "psql", "{told}");
        ensure!(told["detail"].as_str().is_some_and(|detail| detail.contains("was ended")), "{told}");
        ensure!(
            !world.server.log().contains(&format!("{ROLE}@shop LOG:  connection")),
            "{}",
            world.server.log()
        );
        is_shown(world, "unprotected-postgresql", &["20001", "psql", &world.destination().to_string()])?;
        // Others' jobs are not concerned.
        let told = direct(world, Command::new("psql"))?;
        ensure!(told.status.success(), "{told:?}");
        Ok(())
    })
}

#[test]
fn where_it_is_adopted_the_next_connection_is_taken() -> Result<()> {
    story(&unprotected("adopt"), |world| {
        let told = direct(world, world.job().command("psql"))?;
        ensure!(told.status.success() && text(&told.stdout) == "Ada Lovelace\n", "{told:?}");
        let destination = world.destination().to_string();
        eventually("it is adopted", || match &world.daemon.status()?["adopted"] {
            adopted if *adopted == serde_json::json!([destination]) => Ok(()),
            adopted => bail!("{adopted}"),
        })?;
        let told = the_incident(world, "unprotected-postgresql")?;
        ensure!(told["principal"]["uid"] == JOB_UID, "{told}");
        ensure!(
            told["detail"].as_str().is_some_and(|detail| detail.contains("from the next one on")),
            "{told}"
        );
        let told = direct(world, world.job().command("psql"))?;
        let said = text(&told.stderr);
        ensure!(said.contains(&format!("FATAL:  no resource of Portreeve names {destination}")), "{said}");
        ensure!(world.daemon.incidents("unmatched-refused")?.len() == 1);
        Ok(())
    })
}

/// A job's perl, which has all that sockets can do; Debian has it everywhere.
fn perl(world: &World, privileges: &str, script: &str, arguments: &[String]) -> Result<Output> {
    // The job's own way to a command would take the privileges away.
    let mut command = mortal("KILL", "sh");
    command
        .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
        .arg(world.job().cgroup)
        .args(["setpriv", "--reuid", &JOB_UID.to_string(), "--regid", &JOB_UID.to_string(), "--clear-groups"])
        .args([&format!("--inh-caps=-all{privileges}"), &format!("--ambient-caps=-all{privileges}")])
        .args(["--", "perl", "-MSocket", "-e", script])
        .args(arguments);
    finish(&mut command)
}

/// Sends the SYN of a connection to address and port, from address, as a packet of its own making.
const RAW_SYN: &str = r#"
my ($to, $port, $from) = @ARGV;
socket(my $raw, PF_INET, SOCK_RAW, 255) or die "socket: $!";
my $tcp = pack("nnNNCCnnn", 40000, $port, 1, 0, 0x50, 2, 1024, 0, 0);
my $sum = 0;
$sum += $_ for unpack("n*", inet_aton($from) . inet_aton($to) . pack("nn", 6, 20) . $tcp);
$sum = ($sum & 0xffff) + ($sum >> 16) for 1 .. 2;
substr($tcp, 16, 2) = pack("n", ~$sum & 0xffff);
my $ip = pack("CCnnnCCna4a4", 0x45, 0, 40, 0, 0, 64, 6, 0, inet_aton($from), inet_aton($to));
send($raw, $ip . $tcp, 0, sockaddr_in(0, inet_aton($to))) or die "send: $!";
"#;

#[test]
fn a_packet_of_a_jobs_own_making_is_dropped_and_the_record_says_whose() -> Result<()> {
    story(&Setup::default(), |world| {
        let to = world.destination();
        let packet = [to.ip().to_string(), to.port().to_string(), world.network.host().to_string()];
        let sent = perl(world, ",+net_raw", RAW_SYN, &packet)?;
        let said = text(&sent.stderr);
        ensure!(said.contains("send: Operation not permitted"), "{said}");
        let told = the_incident(world, "guarded-raw-packet")?;
        ensure!(told["destination"] == to.to_string(), "{told}");
        let who = &told["principal"];
        ensure!(who["uid"] == JOB_UID && who["comm"] == "perl", "{told}");
        ensure!(who["cgroup"] == world.cgroup().as_str(), "{told}");
        is_shown(world, "guarded-raw-packet", &["20001", "perl", &world.cgroup(), &to.to_string()])
    })
}

#[test]
fn nobody_takes_the_listeners_port_and_the_record_says_who_tried() -> Result<()> {
    story(&Setup::default(), |world| {
        let log = world.daemon.log();
        let port = log.split(" port=").nth(1).and_then(|rest| rest.split(' ').next());
        let port = port.with_context(|| log.clone())?.to_owned();
        let script = "socket(my $s, PF_INET, SOCK_STREAM, 6) or die; \
                      bind($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or die \"bind: $!\"";
        let said = text(&perl(world, "", script, std::slice::from_ref(&port))?.stderr);
        ensure!(said.contains("bind: Operation not permitted"), "{said}");
        let told = the_incident(world, "guarded-port")?;
        ensure!(told["destination"] == format!("127.0.0.1:{port}"), "{told}");
        ensure!(told["principal"]["uid"] == JOB_UID && told["principal"]["comm"] == "perl", "{told}");
        is_shown(world, "guarded-port", &["20001", "perl", &world.cgroup()])
    })
}

#[test]
fn a_connection_from_before_the_daemon_is_ended_and_the_record_says_whose() -> Result<()> {
    story(&Setup::default(), |world| {
        let container = Container::new(world)?;
        world.daemon.stop()?;
        let config = world.daemon.config().display().to_string();
        output(&mut world.daemon.command(&["release", "--config", &config])?)?;
        let address = format!("postgresql://{ROLE}@{}/shop", world.destination());
        let mut older = Vec::new();
        for mut psql in [world.job().psql(&address), container.psql(&address)] {
            older.push(begin(psql.env("PGPASSWORD", PASSWORD).args(["-c", "SELECT pg_sleep(600)"]))?);
        }
        world.server.runs("SELECT pg_sleep%", 2)?;
        let pids: Vec<u32> = older.iter().map(std::process::Child::id).collect();
        world.daemon.start()?;
        for psql in older {
            let ended = psql.wait_with_output()?;
            ensure!(!ended.status.success(), "{ended:?}");
        }
        let told = eventually("both are recorded", || match world.daemon.incidents("older-connection")? {
            told if told.len() == 2 => Ok(told),
            told => bail!("{told:?}"),
        })?;
        for (cgroup, from) in [
            (world.cgroup(), IpAddr::from(world.network.host())),
            (container.cgroup(), container.address().into()),
        ] {
            let told = told.iter().find(|told| told["principal"]["cgroup"] == cgroup.as_str());
            let told = told.with_context(|| format!("nothing of {cgroup}"))?;
            let (who, detail) = (&told["principal"], told["detail"].to_string());
            ensure!(who["uid"] == JOB_UID && who["comm"] == "psql", "{told}");
            ensure!(detail.contains("was ended") && detail.contains(&from.to_string()), "{told}");
            ensure!(told["destination"] == world.destination().to_string(), "{told}");
        }
        ensure!(
            told.iter().any(|told| pids.iter().any(|pid| told["principal"]["pid"] == *pid)),
            "{pids:?} {told:?}"
        );
        is_shown(world, "older-connection", &["20001", "psql"])
    })
}
