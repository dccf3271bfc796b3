//! Servers that are there for a container alone, at addresses where others see something else or nothing.

use anyhow::{Result, ensure};
use e2e::postgres::Server;
use e2e::process::{finish, output};
use e2e::world::{PASSWORD, ROLE, text};
use e2e::{Container, Setup, World, story};

/// A PostgreSQL on an address of the container's own, with a table of that name.
fn inner_server(world: &World, container: &Container, address: &str, name: &str) -> Result<Server> {
    output(container.root("ip").args(["link", "set", "lo", "up"]))?;
    let folder = world.folder().join(name);
    let server = Server::start_inside(&folder, container.namespace(), address.to_owned(), world.port(), &[])?;
    server.sql("postgres", &format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'"))?;
    server.sql("postgres", &format!("CREATE DATABASE shop OWNER {ROLE}"))?;
    let tables = format!("SET ROLE {ROLE}; CREATE TABLE {name} AS SELECT '{name}' AS secret, 1 AS id");
    server.sql("shop", &format!("ALTER SCHEMA public OWNER TO {ROLE}; {tables}"))?;
    Ok(server)
}

#[test]
fn a_database_that_a_container_alone_can_reach_is_served_by_what_is_known_of_it() -> Result<()> {
    let policy = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [\"public.one.secret\"] }
";
    let setup = Setup {
        addresses: Some("[\"V4:PORT\", \"127.0.0.1:PORT\", \"[::1]:PORT\"]".to_owned()),
        own_port: true,
        ..Setup::policy(policy)
    };
    story(&setup, |world| {
        let containers = [Container::new(world)?, Container::new(world)?];
        let _servers = [
            inner_server(world, &containers[0], "127.0.0.1,::1", "one")?,
            inner_server(world, &containers[1], "127.0.0.1,::1", "two")?,
        ];
        let ask = |container: &Container, address: &str, question: &str| {
            let address = format!("postgresql://job@{address}:{}/shop", world.port());
            let output = finish(container.psql(&address).args(["-c", question]))?;
            Ok::<_, anyhow::Error>(format!("{}{}", text(&output.stdout), text(&output.stderr)))
        };
        // Three servers are one resource, each with tables that the others lack.
        ensure!(world.rows(&["SELECT count(*) FROM customers"])? == "3");
        for address in ["127.0.0.1", "[::1]", "127.0.0.1"] {
            let told = ask(&containers[0], address, "SELECT secret, id FROM one")?;
            ensure!(!told.contains("one") && told.contains("|1"), "not masked: {told}");
            ensure!(ask(&containers[1], address, "SELECT secret, id FROM two")? == "two|1\n");
        }
        ensure!(world.rows(&["SELECT count(*) FROM customers"])? == "3");
        let told = ask(&containers[0], "127.0.0.1", "SELECT inet_server_addr()")?;
        ensure!(told.starts_with("127.0.0.1"), "{told}");
        Ok(())
    })
}

#[test]
fn a_server_of_a_containers_own_at_a_protected_address_speaks_for_nobody_else() -> Result<()> {
    let policy = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [\"public.customers.ssn\"] }
";
    story(&Setup::policy(policy), |world| {
        let container = Container::new(world)?;
        let [v4, _] = world.network.server();
        output(container.root("ip").args(["address", "add", &format!("{v4}/32"), "dev", "lo"]))?;
        let _trap = inner_server(world, &container, &v4.to_string(), "trap")?;
        // Its own server is judged by the real one's catalog, which has no such table.
        let told = text(&finish(container.psql(&world.address()).args(["-c", "SELECT * FROM trap"]))?.stderr);
        ensure!(told.contains("does not exist in the catalog"), "{told}");
        let told = world.rows(&["SELECT name, ssn FROM customers WHERE id = 1"])?;
        ensure!(told.starts_with("Ada Lovelace|") && !told.contains("123-45-6789"), "{told}");
        Ok(())
    })
}

#[test]
fn a_server_that_only_a_containers_network_leads_to_is_judged_by_what_the_container_sees() -> Result<()> {
    let policy = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [\"public.hidden.secret\"] }
";
    // An address of the world's network that nobody has: the server's own with two zeros more at its end.
    let setup = Setup { addresses: Some("[\"[V600]:PORT\"]".to_owned()), ..Setup::policy(policy) };
    story(&setup, |world| {
        let container = Container::new(world)?;
        let [_, v6] = world.network.server();
        let hidden = format!("{v6}00");
        output(container.root("ip").args([
            "address",
            "add",
            &format!("{hidden}/128"),
            "dev",
            "lo",
            "nodad",
        ]))?;
        let _server = inner_server(world, &container, &hidden, "hidden")?;
        for _ in 0..2 {
            let address = format!("postgresql://job@[{hidden}]:{}/shop", world.port());
            let told = output(container.psql(&address).args(["-c", "SELECT secret, id FROM hidden"]))?;
            ensure!(!told.contains("hidden") && told.contains("|1"), "{told}");
        }
        let databases = &world.daemon.status()?["databases"];
        ensure!(databases.to_string().contains("shop/shop in network namespace"), "{databases}");
        Ok(())
    })
}
