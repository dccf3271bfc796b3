use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::*;

const NOW: i64 = 1_800_000_000;

/// An issuer with a key of its own, and what takes its tokens.
struct Issuer {
    key: EcdsaKeyPair,
    folder: tempfile::TempDir,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).unwrap();
        let issuer = Issuer { key, folder: tempfile::tempdir().unwrap() };
        let point = issuer.key.public_key().as_ref();
        let (x, y) = (encoded(&point[1..33]), encoded(&point[33..]));
        let other = json!({ "kty": "oct", "kid": "shared", "k": "c2VjcmV0" });
        let key = json!({ "kty": "EC", "crv": "P-256", "kid": "k1", "x": x, "y": y });
        std::fs::write(issuer.file(), json!({ "keys": [other, key] }).to_string()).unwrap();
        issuer
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    fn tokens(&self) -> Tokens {
        Tokens::new(vec![TokenConfig {
            issuer: "https://ci".to_owned(),
            audience: "portreeve".to_owned(),
            keys_file: self.file(),
            variable: variable(),
        }])
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encoded(signature))
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A document with some of its members replaced; null takes one away.
fn with(mut document: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(document.as_object_mut().unwrap().remove(name)),
            value => document[name] = value.clone(),
        }
    }
    document
}

fn header() -> Value {
    json!({ "alg": "ES256", "kid": "k1" })
}

fn claims() -> Value {
    json!({ "iss": "https://ci", "aud": "portreeve", "exp": NOW + 60, "ref": "main", "run": 7, "protected": true,
        "list": [1, "a"], "mixed": [1, null], "address": {}, "none": null, "nobody": [] })
}

#[test]
fn a_token_that_holds_gives_its_claims() {
    let issuer = Issuer::new();
    let verified = |header, claims| {
        let token = issuer.sign(&with(self::header(), &header), &with(self::claims(), &claims));
        issuer.tokens().verified("PORTREEVE_ID_TOKEN", token.as_bytes(), NOW)
    };
    let told = verified(json!({}), json!({})).unwrap();
    let told: Vec<(&str, String)> =
        told.iter().map(|(name, values)| (name.as_str(), values.join(", "))).collect();
    let exp = (NOW + 60).to_string();
    let expect = [
        ("address", ""),
        ("aud", "portreeve"),
        ("exp", exp.as_str()),
        ("iss", "https://ci"),
        ("list", "1, a"),
        ("mixed", ""),
        ("protected", "true"),
        ("ref", "main"),
        ("run", "7"),
    ];
    assert_eq!(told, expect.map(|(name, value)| (name, value.to_owned())));
    let header = json!({ "kid": null, "typ": "jwt" });
    assert!(verified(header, json!({ "aud": ["portreeve"], "nbf": NOW, "sub": "x".repeat(2000) })).is_ok());
    let file = issuer.file().display().to_string();
    for (header, claims, rejected) in [
        (json!({}), json!({ "iss": "https://other" }), Rejected::Issuer),
        (json!({}), json!({ "aud": "other" }), Rejected::Audience),
        (json!({}), json!({ "aud": null }), Rejected::Audience),
        (json!({}), json!({ "aud": ["portreeve", "other"] }), Rejected::Audience),
        (json!({}), json!({ "ref": "feature/x\u{85}" }), Rejected::Claim),
        (json!({}), json!({ "groups": ["a", "b\n"] }), Rejected::Claim),
        (json!({}), json!({ "exp": 1e300, "nbf": 1e300 }), Rejected::Early),
        (json!({ "typ": "at+jwt" }), json!({}), Rejected::Algorithm),
        (json!({ "typ": 1 }), json!({}), Rejected::Algorithm),
        (json!({}), json!({ "exp": NOW - 31 }), Rejected::Expired),
        (json!({}), json!({ "exp": null }), Rejected::Expired),
        (json!({}), json!({ "exp": "9999999999" }), Rejected::Expired),
        (json!({}), json!({ "nbf": NOW + 31 }), Rejected::Early),
        (json!({}), json!({ "nbf": "0" }), Rejected::Early),
        (json!({ "alg": "none" }), json!({}), Rejected::Algorithm),
        (json!({ "alg": "HS256", "kid": "shared" }), json!({}), Rejected::Algorithm),
        (json!({ "crit": ["b64"] }), json!({}), Rejected::Algorithm),
        (json!({ "kid": "k2" }), json!({}), Rejected::Key(file.clone())),
        (json!({ "alg": "RS256" }), json!({}), Rejected::Key(file.clone())),
        (json!({ "alg": "ES384" }), json!({}), Rejected::Key(file.clone())),
    ] {
        assert_eq!(verified(header.clone(), claims.clone()), Err(rejected), "{header} {claims}");
    }
}

#[test]
fn a_token_that_somebody_else_signed_or_changed_is_not_taken() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let verified = |token: &str| issuer.tokens().verified("PORTREEVE_ID_TOKEN", token.as_bytes(), NOW);
    assert_eq!(verified(&other.sign(&header(), &claims())), Err(Rejected::Signature));
    let token = issuer.sign(&header(), &claims());
    let changed = encoded(with(claims(), &json!({ "ref": "other" })).to_string());
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(verified(&[parts[0], &changed, parts[2]].join(".")), Err(Rejected::Signature));
    for text in ["", "a", "a.b", "a.b.c", &format!("{}.", &token[..token.rfind('.').unwrap()])] {
        assert!(verified(text).is_err(), "{text}");
    }
    std::fs::write(issuer.file(), "{}").unwrap();
    let Err(Rejected::Keys(told)) = verified(&token) else { panic!("taken without a key") };
    assert!(
        told.starts_with(&format!("{} is no JSON Web Key Set: missing field", issuer.file().display())),
        "{told}"
    );
}

#[test]
fn keys_are_those_for_signatures_that_root_alone_may_change() {
    let issuer = Issuer::new();
    let token = issuer.sign(&header(), &claims());
    let verified = || issuer.tokens().verified("PORTREEVE_ID_TOKEN", token.as_bytes(), NOW).map(drop);
    let set: Value = serde_json::from_slice(&std::fs::read(issuer.file()).unwrap()).unwrap();
    let key = |changes: Value| {
        // Beside it stands what other programs take for a key, or what nobody does.
        let keys = json!([{ "kid": 7 }, null, with(set["keys"][1].clone(), &changes)]);
        std::fs::write(issuer.file(), json!({ "keys": keys }).to_string()).unwrap();
    };
    let none = Err(Rejected::Key(issuer.file().display().to_string()));
    for (changes, expect) in [
        (json!({ "use": "sig", "alg": "ES256", "x5c": [] }), Ok(())),
        (json!({ "use": "enc" }), none.clone()),
        (json!({ "alg": "ES384" }), none.clone()),
        (json!({ "crv": "P-384" }), none.clone()),
        (json!({ "x": "AA" }), none.clone()),
        (json!({ "x": "=" }), none),
    ] {
        key(changes.clone());
        assert_eq!(verified(), expect, "{changes}");
    }
    key(json!({}));
    std::fs::set_permissions(issuer.file(), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let Err(Rejected::Keys(told)) = verified() else { panic!("taken by keys that everybody can change") };
    assert!(told.contains("chmod go-w"), "{told}");
}

#[test]
fn a_token_is_found_by_its_variable_and_one_that_does_not_hold_gives_nothing() {
    let issuer = Issuer::new();
    let token = issuer.sign(&header(), &claims());
    let of = |environment: String| issuer.tokens().claims(1, environment.as_bytes(), NOW);
    assert_eq!(of(format!("PATH=/bin\0PORTREEVE_ID_TOKEN={token}\0A=b\0"))["ref"], ["main"]);
    assert!(of(format!("XPORTREEVE_ID_TOKEN={token}\0")).is_empty());
    assert!(of(format!("PORTREEVE_ID_TOKEN={token}x\0")).is_empty());
    assert!(Tokens::default().claims(1, format!("PORTREEVE_ID_TOKEN={token}\0").as_bytes(), NOW).is_empty());
}

#[test]
fn what_another_program_signed_with_rsa_is_taken() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tokens");
    // Whoever has the sources may be another user than runs the tests.
    let keys = tempfile::tempdir().unwrap();
    std::fs::write(keys.path().join("keys.json"), std::fs::read(folder.join("keys.json")).unwrap()).unwrap();
    let tokens = Tokens::new(vec![TokenConfig {
        issuer: "https://gitlab.example.com".to_owned(),
        audience: "portreeve".to_owned(),
        keys_file: keys.path().join("keys.json"),
        variable: variable(),
    }]);
    let token = std::fs::read(folder.join("main.jwt")).unwrap();
    let claims = tokens.verified("PORTREEVE_ID_TOKEN", &token, NOW).unwrap();
    assert_eq!(
        (&claims["project_path"][..], &claims["ref"][..]),
        (&["shop/shop".to_owned()][..], &["main".to_owned()][..])
    );
}
