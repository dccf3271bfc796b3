//! The daemon's own login at the server: what the server asks for, and what becomes of a job when it fails.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Result, ensure};
use e2e::certificates;
use e2e::middleman::Middleman;
use e2e::process::finish;
use e2e::wire::{self, Message, Wire};
use e2e::world::{PASSWORD, ROLE, text};
use e2e::{Setup, World, story};

fn setup(tls: &str, resource: &str) -> Setup {
    Setup { tls: tls.to_owned(), resource: resource.to_owned(), ..Setup::default() }.with_certificate()
}

/// TLS by which nobody else is taken for the server.
const VERIFIED: &str = "{mode: verify-ca, ca_file: FOLDER/tls/cert.pem}";

/// A job is let through, or told this. Neither it nor the daemon's log reads the password.
fn check(world: &World, expect: Result<(), &str>) -> Result<()> {
    let output = world.psql(&["SELECT 'through'"])?;
    let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
    match expect {
        Ok(()) => ensure!(told.contains("through"), "{told}"),
        Err(expect) => ensure!(told.contains("FATAL") && told.contains(expect), "{expect}: {told}"),
    }
    ensure!(!told.contains(PASSWORD) && !world.daemon.log().contains(PASSWORD), "{told}");
    Ok(())
}

/// Gives the role a password of the old kind.
fn md5(world: &World) -> Result<()> {
    let statements = format!("SET password_encryption = 'md5'; ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'");
    world.server.sql("postgres", &statements).map(drop)
}

#[test]
fn scram_is_bound_to_the_servers_certificate() -> Result<()> {
    for (tls, resource) in [
        ("{mode: require}", "channel_binding: require"),
        (VERIFIED, "channel_binding: require\n    authentication: [scram-sha-256]"),
        ("{mode: require}", "channel_binding: disable"),
    ] {
        story(&setup(tls, resource), |world| check(world, Ok(())))?;
    }
    // A server that lets us in without a proof is none where one has to be bound.
    story(&setup("{mode: require}", "channel_binding: require"), |world| {
        world.server.let_in("host all all all trust")?;
        check(world, Err("channel_binding: require"))
    })
}

#[test]
fn the_digest_of_a_certificate_is_the_servers_own_whatever_signed_it() -> Result<()> {
    const PSS: &[&str] = &["-newkey", "rsa:2048", "-sigopt", "rsa_padding_mode:pss"];
    let p384 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-sha384"];
    let bound = setup("{mode: require}", "channel_binding: require");
    for with in [&["-newkey", "rsa:2048", "-sha512"], &p384[..], &[PSS, &["-sha384"]].concat()] {
        story(&bound, |world| {
            certificates::replace(&world.folder().join("tls"), with)?;
            world.server.reload()?;
            check(world, Ok(()))
        })?;
    }
    // RFC 5929 does not say which digest this one has: it is not bound to, and the server is not told that it could be.
    for (resource, expect) in
        [("", Ok(())), ("channel_binding: require", Err("has no digest to be bound to"))]
    {
        story(&setup("{mode: require}", resource), |world| {
            certificates::replace(&world.folder().join("tls"), &["-newkey", "ed25519"])?;
            world.server.reload()?;
            check(world, expect)
        })?;
    }
    Ok(())
}

/// A job that goes where the middleman listens.
fn through(world: &World, middleman: &Middleman) -> Result<String> {
    let address = format!("postgresql://job@{}/shop", middleman.address);
    let output = finish(world.job().psql(&address).args(["-c", "SELECT 'through'"]))?;
    Ok(format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

#[test]
fn somebody_between_us_and_the_server_is_noticed_by_the_proof() -> Result<()> {
    for (strip, resource, expect) in [
        // He passes the offer on, and the proof is bound to his certificate.
        (false, "", "SCRAM channel binding check failed"),
        // He takes the offer away, and the server hears that we could have taken it.
        (true, "", "SCRAM channel binding negotiation error"),
        (true, "channel_binding: require", "the server does not offer it"),
        // Without a look at it, nothing shows: the middleman is the test's own.
        (true, "channel_binding: disable", "through"),
    ] {
        let middleman = Middleman::new()?;
        let addresses = Some(format!("[\"{}\"]", middleman.address));
        let setup = Setup { addresses, ..setup("{mode: require}", resource) };
        story(&setup, |world| {
            middleman.go_on_to(world.destination(), &world.folder().join("tls"), strip)?;
            let told = through(world, &middleman)?;
            ensure!(told.contains(expect), "{strip} {resource}: {told}");
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn an_md5_password_is_shown_over_tls_or_where_it_is_named() -> Result<()> {
    let story = |tls: &str, resource: &str, expect| {
        let setup = setup(tls, resource);
        story(&setup, |world| {
            md5(world)?;
            world.server.let_in("host all all all md5")?;
            check(world, expect)
        })
    };
    let refused = "asks for an md5 password over a connection that is not encrypted";
    story("{mode: disable}", "", Err(refused))?;
    story("{mode: disable}", "authentication: [md5]", Ok(()))?;
    story("{mode: require}", "", Ok(()))?;
    story("{mode: require}", "authentication: [scram-sha-256]", Err("which the configuration does not allow"))
}

#[test]
fn the_password_itself_is_shown_to_a_verified_server_where_it_is_named() -> Result<()> {
    let story = |tls: &str, resource: &str, expect| {
        let setup = setup(tls, resource);
        story(&setup, |world| {
            world.server.let_in("host all all all password")?;
            check(world, expect)
        })
    };
    let refused = "the server asks for the password in clear text (password), which the configuration";
    story("{mode: disable}", "", Err(refused))?;
    story(VERIFIED, "", Err("Name password in `authentication` of the resource"))?;
    story(VERIFIED, "authentication: [password]", Ok(()))
}

#[test]
fn a_server_that_does_not_ask_is_let_go_by_where_it_has_to() -> Result<()> {
    for (resource, expect) in [
        ("", Ok(())),
        ("authentication: [none]", Ok(())),
        ("authentication: [scram-sha-256]", Err("asks for no password (none)")),
    ] {
        story(&setup("{mode: disable}", resource), |world| {
            world.server.let_in("host all all all trust")?;
            check(world, expect)
        })?;
    }
    Ok(())
}

#[test]
fn a_server_that_wants_a_certificate_is_shown_ours() -> Result<()> {
    let shown = "{mode: require, cert_file: FOLDER/tls/client.pem, key_file: FOLDER/tls/client.key}";
    for rules in ["hostssl all all all cert", "hostssl all all all scram-sha-256 clientcert=verify-full"] {
        story(&setup(shown, ""), |world| {
            world.server.let_in(rules)?;
            check(world, Ok(()))
        })?;
        story(&setup("{mode: require}", ""), |world| {
            world.server.let_in(rules)?;
            check(world, Err("connection requires a valid client certificate"))
        })?;
    }
    // One of an authority that the server does not know any more: it says so in the words of TLS.
    story(&setup(shown, ""), |world| {
        let tls = world.folder().join("tls");
        std::fs::copy(tls.join("other.pem"), tls.join("ca.pem"))?;
        world.server.reload()?;
        check(world, Err("its log says why"))?;
        let log = world.daemon.log();
        ensure!(log.contains("error communicating with the server: received fatal alert"), "{log}");
        Ok(())
    })
}

const ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

#[test]
fn a_server_that_may_be_spoken_to_either_way_is_logged_in_to_by_the_one_that_it_takes() -> Result<()> {
    for (mode, rules, encrypted) in [
        ("allow", "host all all all scram-sha-256", "f"),
        ("allow", "hostssl all all all scram-sha-256", "t"),
        ("prefer", "host all all all scram-sha-256", "t"),
        ("prefer", "hostnossl all all all scram-sha-256", "f"),
    ] {
        story(&setup(&format!("{{mode: {mode}}}"), ""), |world| {
            world.server.let_in(rules)?;
            let shown = world.rows(&[ENCRYPTED])?;
            ensure!(shown.trim() == encrypted, "{mode}, {rules}: {shown}");
            Ok(())
        })?;
    }
    for (mode, rules) in [("disable", "hostssl"), ("require", "hostnossl")] {
        story(&setup(&format!("{{mode: {mode}}}"), ""), |world| {
            world.server.let_in(&format!("{rules} all all all scram-sha-256"))?;
            check(world, Err("no pg_hba.conf entry"))
        })?;
    }
    Ok(())
}

/// The way is each database's own, also while sessions of the others are open.
#[test]
fn databases_of_one_server_may_each_want_another_way() -> Result<()> {
    story(&setup("{mode: prefer}", ""), |world| {
        world.server.sql("postgres", "CREATE DATABASE plain")?;
        world.server.let_in("hostssl shop all all scram-sha-256\nhostnossl plain all all scram-sha-256")?;
        let mut open = Vec::new();
        for (database, encrypted) in [("shop", "t"), ("plain", "f"), ("shop", "t"), ("plain", "f")] {
            let mut session = Wire::connect(world.destination(), database)?;
            session.send(&wire::query(ENCRYPTED))?;
            let lines: Vec<String> = session.until_ready()?.iter().map(Message::line).collect();
            ensure!(lines.contains(&format!("D {encrypted}")), "{database}: {lines:?}");
            open.push(session);
        }
        Ok(())
    })
}

#[test]
fn a_login_that_the_server_refuses_is_told_with_its_code_and_whose_it_was() -> Result<()> {
    let refused = |world: &World, database: &str, sqlstate: &str, why: &str| -> Result<()> {
        let address = format!("postgresql://job@{}/{database}", world.destination());
        let mut psql = world.job().psql(&address);
        let told = text(&finish(psql.args(["-v", "VERBOSITY=verbose", "-c", "SELECT 1"]))?.stderr);
        // What is about the role is Portreeve's own login; everything else is in the server's words.
        let whose = match sqlstate.starts_with("28") {
            true => format!(
                "Portreeve could not log in to resource \"shop\" as role \"{ROLE}\", database \"{database}\": "
            ),
            false => "FATAL:  ".to_owned(),
        };
        ensure!(told.contains(&format!("{whose}{why}")), "{database}, {sqlstate}: {told}");
        // libpq shows no code of an error at the start: the record and a raw client do.
        let code = first_error(world, database)?;
        ensure!(code == sqlstate, "{code}: {told}");
        ensure!(!told.contains(PASSWORD), "{told}");
        Ok(())
    };
    story(&Setup::default(), |world| {
        let no = "CREATE DATABASE private; REVOKE CONNECT ON DATABASE private FROM public";
        for statement in no.split("; ") {
            world.server.sql("postgres", statement)?;
        }
        // Before anything is known of the database, and then with its catalog at hand.
        for _ in 0..2 {
            world.write_credentials(&format!("role: {ROLE}\npassword: wrong\n"))?;
            refused(world, "shop", "28P01", "password authentication failed for user")?;
            world.write_credentials(&format!("role: {ROLE}\npassword: {PASSWORD}\n"))?;
            refused(world, "absent", "3D000", "database \"absent\" does not exist")?;
            world.server.sql("postgres", &format!("ALTER ROLE {ROLE} CONNECTION LIMIT 0"))?;
            refused(world, "shop", "53300", "too many connections for role")?;
            world.server.sql("postgres", &format!("ALTER ROLE {ROLE} CONNECTION LIMIT -1"))?;
            refused(world, "private", "42501", "permission denied for database \"private\"")?;
            world.server.sql("postgres", "ALTER DATABASE shop ALLOW_CONNECTIONS false")?;
            refused(world, "shop", "55000", "database \"shop\" is not currently accepting connections")?;
            world.server.sql("postgres", "ALTER DATABASE shop ALLOW_CONNECTIONS true")?;
            world.server.let_in("host shop nobody all scram-sha-256")?;
            refused(world, "shop", "28000", "no pg_hba.conf entry for host")?;
            world.server.let_in("host all all all scram-sha-256")?;
            ensure!(world.rows(&["SELECT 1"])? == "1");
        }
        Ok(())
    })
}

/// The SQLSTATE of the error that a start-up is answered with.
fn first_error(world: &World, database: &str) -> Result<String> {
    let mut stream = TcpStream::connect(world.destination())?;
    let words = format!("user\0job\0database\0{database}\0\0");
    let length = u32::try_from(words.len() + 8)?;
    stream.write_all(&[&length.to_be_bytes()[..], &196_608_u32.to_be_bytes(), words.as_bytes()].concat())?;
    let mut told = Vec::new();
    stream.read_to_end(&mut told)?;
    let field = told.split(|byte| *byte == 0).find(|field| field.len() == 6 && field.first() == Some(&b'C'));
    Ok(text(field.and_then(|field| field.get(1..)).unwrap_or_default()))
}

/// A server that knows no password: it asks, and says that everything is well.
fn impostor(asks: &'static [&'static [u8]]) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            for ask in asks {
                let mut heard = [0; 4096];
                let read = client.read(&mut heard).unwrap_or(0);
                let heard = text(&heard[..read]);
                // A challenge has to begin with the client's own nonce.
                let nonce = heard.split("r=").nth(1).unwrap_or_default();
                let ask = match ask.strip_prefix(b"CHALLENGE") {
                    Some(rest) => {
                        let body = [nonce.as_bytes(), rest].concat();
                        let length = u32::try_from(body.len() + 10).unwrap_or_default();
                        [&b"R"[..], &length.to_be_bytes(), &[0, 0, 0, 11], b"r=", &body].concat()
                    }
                    None => ask.to_vec(),
                };
                if client.write_all(&ask).is_err() {
                    break;
                }
            }
            let _ = client.read(&mut [0; 4096]);
        }
    });
    Ok(address)
}

const OK: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

#[test]
fn a_server_that_only_plays_the_part_learns_nothing_and_is_told() -> Result<()> {
    const SASL: &[u8] = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";
    const CHALLENGE: &[u8] = b"CHALLENGEmore,s=c2FsdHNhbHQ=,i=4096";
    const FINAL: &[u8] = b"R\0\0\0\x36\0\0\0\x0cv=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (asks, expect) in [
        (&[SASL, CHALLENGE, FINAL][..], "could not prove that it knows the password"),
        (&[SASL, OK], "ended SCRAM-SHA-256 too early"),
        (&[b"R\0\0\0\x08\0\0\0\x03", OK], "the password in clear text"),
        (&[b"R\0\0\0\x0c\0\0\0\x05salt", OK], "an md5 password"),
        (&[b"Z\0\0\0\x05I"], "out of place"),
    ] {
        let address = impostor(asks)?;
        let setup = Setup { addresses: Some(format!("[\"{address}\"]")), ..Setup::default() };
        story(&setup, |world| {
            let url = format!("postgresql://job@{address}/shop");
            let told = text(&finish(world.job().psql(&url).args(["-c", "SELECT 1"]))?.stderr);
            ensure!(told.contains("FATAL") && told.contains(expect), "{expect}: {told}");
            Ok(())
        })?;
    }
    Ok(())
}
