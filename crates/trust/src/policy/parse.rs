//! Reads `policy.json`.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use transship_core::{Result, ResultExt};

use super::Requirements;
use super::identity::SignedIdentity;
use super::requirement::{Keys, Requirement, SignedBy, SigstoreSigned};
use crate::json::{Fields, Json, malformed};

type Scopes = BTreeMap<String, Requirements>;

/// The default requirements, and those of each scope of each transport.
pub(super) fn policy(text: &[u8]) -> Result<(Requirements, BTreeMap<String, Scopes>)> {
    let mut policy = Json::parse(text)?.fields("the policy")?;
    let default = requirements(policy.need("default")?, "\"default\"")?;
    let transports = match policy.take("transports") {
        None => BTreeMap::new(),
        Some(all) => {
            let all = all.fields("\"transports\"")?.rest().into_iter();
            let all = all.map(|(name, of)| scopes(&name, of).map(|of| (name, of)));
            all.collect::<Result<_>>()?
        }
    };
    policy.end()?;
    Ok((default, transports))
}

fn scopes(transport: &str, all: Json) -> Result<Scopes> {
    let all = all.fields(&format!("the scopes of {transport:?}"))?.rest().into_iter();
    let all = all.map(|(scope, list)| {
        check_scope(transport, &scope)?;
        let list = requirements(list, &format!("scope {scope:?} of {transport:?}"))?;
        Ok((scope, list))
    });
    all.collect()
}

/// That an image of the transport can have such a scope. Of transports that are not known here, any may be.
fn check_scope(transport: &str, scope: &str) -> Result<()> {
    let path = match transport {
        _ if scope.is_empty() => return Ok(()),
        "docker-archive" => {
            let text = format!("{transport:?} has no scopes but \"\", and {scope:?} is given");
            return Err(malformed(text));
        }
        "dir" => scope,
        // The name of an image is no part of its scope.
        "oci" | "oci-archive" => scope.split(':').next().unwrap_or(scope),
        _ => return Ok(()),
    };
    let parts = path.strip_prefix('/').map(|below| below.split('/'));
    let clean = parts.is_some_and(|mut all| all.all(|part| !matches!(part, "" | "." | "..")));
    if clean && Path::new(path) != Path::new("/") {
        return Ok(());
    }
    let text = format!("scope {scope:?} of {transport:?} is no absolute path without . and ..");
    Err(malformed(text))
}

fn requirements(list: Json, what: &str) -> Result<Requirements> {
    let list = list.list(what)?;
    if list.is_empty() {
        return Err(malformed(format!("{what} has no requirement")));
    }
    let parsed = list.into_iter().enumerate().map(|(at, one)| {
        let what = format!("requirement {} of {what}", at + 1);
        requirement(one.fields(&what)?).context(|| what)
    });
    parsed.collect()
}

fn requirement(mut from: Fields) -> Result<Requirement> {
    let kind = from.text("type")?;
    let requirement = match kind.as_str() {
        "insecureAcceptAnything" => Requirement::AcceptAnything,
        "reject" => Requirement::Reject,
        "signedBy" => signed_by(&mut from)?,
        "signedBaseLayer" => {
            SignedIdentity::parse(from.object("baseLayerIdentity")?)?;
            Requirement::Unchecked(kind)
        }
        "sigstoreSigned" => sigstore_signed(&mut from)?,
        other => return Err(malformed(format!("unknown requirement type {other:?}"))),
    };
    from.end()?;
    Ok(requirement)
}

fn signed_by(from: &mut Fields) -> Result<Requirement> {
    let key_type = from.text("keyType")?;
    if !["GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs"].contains(&&*key_type)
    {
        return Err(malformed(format!("unknown keyType {key_type:?}")));
    }
    let identity = identity(from)?;
    let keys = exactly_one(
        [path(from, "keyPath")?, paths(from, "keyPaths")?, data(from, "keyData")?],
        "keyPath, keyPaths and keyData",
    )?;
    if key_type != "GPGKeys" {
        return Ok(Requirement::Unchecked(format!("signedBy with {key_type}")));
    }
    Ok(Requirement::SignedBy(SignedBy { keys, identity }))
}

fn sigstore_signed(from: &mut Fields) -> Result<Requirement> {
    const SOURCES: &str = "keyPath, keyPaths, keyData, keyDatas, fulcio and pki";
    const REKOR: &str =
        "rekorPublicKeyPath, rekorPublicKeyPaths, rekorPublicKeyData and rekorPublicKeyDatas";
    let identity = identity(from)?;
    let keys = [
        path(from, "keyPath")?,
        paths(from, "keyPaths")?,
        data(from, "keyData")?,
        datas(from, "keyDatas")?,
    ];
    let rekor = [
        path(from, "rekorPublicKeyPath")?,
        paths(from, "rekorPublicKeyPaths")?,
        data(from, "rekorPublicKeyData")?,
        datas(from, "rekorPublicKeyDatas")?,
    ];
    let rekor = at_most_one(rekor, REKOR)?;
    let (fulcio, pki) = (from.take("fulcio"), from.take("pki"));
    let chains = usize::from(fulcio.is_some()) + usize::from(pki.is_some());
    let keys = at_most_one(keys, SOURCES)?;
    match (keys, chains) {
        (Some(keys), 0) => {
            Ok(Requirement::SigstoreSigned(SigstoreSigned { keys, rekor, identity }))
        }
        (None, 1) => chain(fulcio, pki, rekor.is_some()),
        _ => Err(malformed(format!("exactly one of {SOURCES} has to be given"))),
    }
}

/// A requirement on a chain of certificates, which must be well formed to be refused by its name.
fn chain(fulcio: Option<Json>, pki: Option<Json>, rekor: bool) -> Result<Requirement> {
    if let Some(fulcio) = fulcio {
        let mut from = fulcio.fields("\"fulcio\"")?;
        exactly_one([path(&mut from, "caPath")?, data(&mut from, "caData")?], "caPath and caData")?;
        for key in ["oidcIssuer", "subjectEmail"] {
            from.text(key)?;
        }
        from.end()?;
        if !rekor {
            return Err(malformed(
                "\"fulcio\" needs a rekorPublicKey, which gives the time".into(),
            ));
        }
        return Ok(Requirement::Unchecked("sigstoreSigned with fulcio".to_owned()));
    }
    let mut from = pki.unwrap_or(Json::Null).fields("\"pki\"")?;
    let roots = [path(&mut from, "caRootsPath")?, data(&mut from, "caRootsData")?];
    exactly_one(roots, "caRootsPath and caRootsData")?;
    let between =
        [path(&mut from, "caIntermediatesPath")?, data(&mut from, "caIntermediatesData")?];
    at_most_one(between, "caIntermediatesPath and caIntermediatesData")?;
    let (email, host) =
        (from.optional_text("subjectEmail")?, from.optional_text("subjectHostname")?);
    from.end()?;
    if email.is_none() && host.is_none() {
        return Err(malformed("\"pki\" needs subjectEmail or subjectHostname".into()));
    }
    if rekor {
        return Err(malformed("a rekorPublicKey cannot be given with \"pki\"".into()));
    }
    Ok(Requirement::Unchecked("sigstoreSigned with pki".to_owned()))
}

fn identity(from: &mut Fields) -> Result<SignedIdentity> {
    match from.take("signedIdentity") {
        None => Ok(SignedIdentity::MatchRepoDigestOrExact),
        Some(given) => SignedIdentity::parse(given.fields("\"signedIdentity\"")?),
    }
}

fn path(from: &mut Fields, key: &str) -> Result<Option<Keys>> {
    let path = from.optional_text(key)?;
    if path.as_deref() == Some("") {
        return Err(malformed(format!("{} is empty", from.named(key))));
    }
    Ok(path.map(|path| Keys::Files(vec![path.into()])))
}

fn paths(from: &mut Fields, key: &str) -> Result<Option<Keys>> {
    let paths = from.optional_texts(key)?;
    Ok(paths.map(|paths| Keys::Files(paths.into_iter().map(Into::into).collect())))
}

fn data(from: &mut Fields, key: &str) -> Result<Option<Keys>> {
    let what = from.named(key);
    let data = from.optional_text(key)?;
    data.map(|text| Ok(Keys::Data(vec![decode(&text, &what)?]))).transpose()
}

fn datas(from: &mut Fields, key: &str) -> Result<Option<Keys>> {
    let what = from.named(key);
    let Some(all) = from.optional_texts(key)? else { return Ok(None) };
    let all = all.iter().map(|text| decode(text, &what)).collect::<Result<_>>()?;
    Ok(Some(Keys::Data(all)))
}

fn decode(text: &str, what: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|error| malformed(format!("{what} is no base64: {error}")))
}

fn at_most_one<const N: usize>(all: [Option<Keys>; N], what: &str) -> Result<Option<Keys>> {
    let mut given = all.into_iter().flatten();
    let first = given.next();
    match given.next() {
        None => Ok(first),
        Some(_) => Err(malformed(format!("of {what} only one can be given"))),
    }
}

fn exactly_one<const N: usize>(all: [Option<Keys>; N], what: &str) -> Result<Keys> {
    let given = at_most_one(all, what)?;
    given.ok_or_else(|| malformed(format!("one of {what} has to be given")))
}
