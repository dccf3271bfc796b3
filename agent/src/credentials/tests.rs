//! Leases from each source, and what errors say and do not say.

use std::fs::{Permissions, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn lay(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    write(&path, content).unwrap();
    set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn lease(path: &Path, database: &str) -> Result<Lease, Error> {
    now(File::new(path).lease(database))
}

#[track_caller]
fn check(content: &str, database: &str, expect: (&str, Option<&str>, &str)) {
    let folder = tempfile::tempdir().unwrap();
    lay(folder.path(), "apart", "from-a-file\n");
    let lease = lease(&lay(folder.path(), "shop", content), database).unwrap();
    let password = lease.password.as_ref().map(|p| p.expose_str().unwrap());
    assert_eq!((lease.role.as_str(), password, lease.database.as_str()), expect);
}

#[test]
fn a_document_gives_role_password_and_the_real_database() {
    check("{role: app, password: x y}", "shop", ("app", Some("x y"), "shop"));
    check("role: app\npassword: '0123'\n", "shop", ("app", Some("0123"), "shop"));
    check("role: app\npassword: 0123\n", "shop", ("app", Some("0123"), "shop"));
    check("role: app", "shop", ("app", None, "shop"));
    check("role: app\npassword_file: apart", "shop", ("app", Some("from-a-file"), "shop"));
    check("{role: app, databases: {shop: shop_v2}}", "shop", ("app", None, "shop_v2"));
    check("{role: app, databases: {shop: shop_v2}}", "other", ("app", None, "other"));
}

#[test]
fn a_bad_document_is_refused_and_never_repeated() {
    for content in [
        "password: hunter2",
        "{role: app, passwort: hunter2}",
        "{role: app, password: [hunter2]}",
        "{role: app, password: hunter2, password_file: apart}",
        "{role: '', password: hunter2}",
        "{role: app, databases: {a: \"b\\0\"}, password: hunter2}",
        "hunter2",
        "role: {hunter2",
        "role: app\npassword: hunter2\npassword: hunter2\n",
        "role: *hunter2",
        "",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = lay(folder.path(), "shop", content);
        let error = lease(&path, "shop").unwrap_err();
        assert!(matches!(error, Error::Document { .. }), "{content}: {error:?}");
        let said = format!("{error} {error:?}");
        assert!(said.contains("shop") && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_rotated_password_holds_from_the_next_lease_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = lay(folder.path(), "shop", "{role: app, password: old}");
    let config = Config::File(path.clone());
    let credentials = Credentials::new([("shop", &config)]).unwrap();
    let password = || now(credentials.lease("shop", "d")).unwrap().password.unwrap();
    assert_eq!(password().expose(), b"old");
    lay(folder.path(), "shop", "{role: app, password: new}");
    assert_eq!(password().expose(), b"new");
}

#[test]
fn a_systemd_credential_is_a_file_in_the_folder_that_systemd_names() {
    let folder = tempfile::tempdir().unwrap();
    lay(folder.path(), "shop", "{role: app}");
    let source = File::in_folder(Some(folder.path()), "shop").unwrap();
    assert_eq!(now(source.lease("d")).unwrap().role, "app");
    for name in ["", "..", "../shop", "/etc/shadow", "a b", ".hidden"] {
        assert!(matches!(File::in_folder(Some(folder.path()), name), Err(Error::Name { .. })), "{name}");
    }
    let error = File::in_folder(None, "shop").unwrap_err().to_string();
    assert!(error.contains("LoadCredential=shop:"), "{error}");
}

#[test]
fn a_variable_gives_the_password_of_a_configured_role() {
    let config = |variable: Option<&str>| EnvironmentConfig {
        role: "app".into(),
        password_variable: variable.map(Into::into),
        databases: BTreeMap::from([("shop".into(), "shop_v2".into())]),
    };
    // PATH stands for a variable that every process has: setting one here would need unsafe code.
    let lease = now(Environment::new(&config(Some("PATH"))).lease("shop")).unwrap();
    assert_eq!(lease.database, "shop_v2");
    assert_eq!(lease.password.unwrap().expose_str(), std::env::var("PATH").ok().as_deref());
    assert!(now(Environment::new(&config(None)).lease("x")).unwrap().password.is_none());
    let error = now(Environment::new(&config(Some("PORTREEVE_NOT_SET"))).lease("x")).unwrap_err();
    assert!(error.to_string().contains("PORTREEVE_NOT_SET"), "{error}");
}

#[test]
fn the_configuration_names_one_source() {
    let read = |text| serde_saphyr::from_str::<Config>(text);
    assert_eq!(read("{file: /etc/x}").unwrap(), Config::File("/etc/x".into()));
    assert_eq!(read("systemd: shop").unwrap(), Config::Systemd("shop".into()));
    let environment = read("environment: {role: app, password_variable: PW}").unwrap();
    assert!(matches!(environment, Config::Environment(c) if c.password_variable.as_deref() == Some("PW")));
    for text in ["{file: /a, systemd: b}", "{vault: x}", "environment: {role: a, pass: b}", "{}"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn a_resource_without_a_source_is_named() {
    let error = now(Credentials::default().lease("shop", "d")).unwrap_err();
    assert!(error.to_string().contains("\"shop\""), "{error}");
}
