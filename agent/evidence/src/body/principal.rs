//! Who a record is about, as a field of its body.

use minicbor::Decoder;
use policy::{Ancestor, Principal};

use crate::cbor::{self, DecodeError};

pub(super) fn encode(principal: &Principal, out: &mut Vec<u8>) {
    // Taken apart without `..`, so that a field added to the principal cannot be forgotten here.
    let Principal {
        pid,
        start_time,
        uid,
        gid,
        user,
        comm,
        executable,
        executable_sha256,
        command_line,
        cgroup_id,
        cgroup,
        unit,
        container,
        ancestors,
        netns,
        claims,
    } = principal;
    cbor::map(out, |fields| {
        fields.uint(0, *pid);
        if let Some(start_time) = start_time {
            fields.uint(1, *start_time);
        }
        fields.uint(2, *uid);
        fields.uint(3, *gid);
        fields.maybe_text(4, user.as_deref());
        fields.text(5, comm);
        fields.maybe_text(6, executable.as_deref());
        fields.maybe_text(7, command_line.as_deref());
        fields.uint(8, *cgroup_id);
        fields.maybe_text(9, cgroup.as_deref());
        fields.maybe_text(10, unit.as_deref());
        fields.uint(11, *netns);
        let each = claims.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        let told: Vec<_> = each.flat_map(|(name, value)| [name, value]).collect();
        fields.list_unless_empty(12, &told, |out, text| cbor::text(out, text));
        if let Some(digest) = executable_sha256 {
            fields.bytes(13, digest);
        }
        fields.maybe_text(14, container.as_deref());
        fields.list_unless_empty(15, ancestors, |out, ancestor| encode_ancestor(ancestor, out));
        let untold: Vec<_> =
            claims.iter().filter(|(_, values)| values.is_empty()).map(|(name, _)| name).collect();
        fields.list_unless_empty(16, &untold, |out, text| cbor::text(out, text));
    });
}

pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Principal, DecodeError> {
    let mut principal = Principal::default();
    cbor::fields(d, |key, d| {
        match key {
            0 => principal.pid = d.u32()?,
            1 => principal.start_time = Some(d.u64()?),
            2 => principal.uid = d.u32()?,
            3 => principal.gid = d.u32()?,
            4 => principal.user = Some(text(d)?),
            5 => principal.comm = text(d)?,
            6 => principal.executable = Some(text(d)?),
            7 => principal.command_line = Some(text(d)?),
            8 => principal.cgroup_id = d.u64()?,
            9 => principal.cgroup = Some(text(d)?),
            10 => principal.unit = Some(text(d)?),
            11 => principal.netns = d.u64()?,
            12 => {
                let mut texts = cbor::read_list(d, text)?.into_iter();
                while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
                    principal.claims.entry(name).or_default().push(value);
                }
            }
            13 => principal.executable_sha256 = Some(cbor::read_array(d, "executable_sha256")?),
            14 => principal.container = Some(text(d)?),
            15 => principal.ancestors = cbor::read_list(d, decode_ancestor)?,
            16 => {
                for name in cbor::read_list(d, text)? {
                    principal.claims.entry(name).or_default();
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(principal)
}

fn encode_ancestor(ancestor: &Ancestor, out: &mut Vec<u8>) {
    let Ancestor { pid, start_time, comm, executable } = ancestor;
    cbor::map(out, |fields| {
        fields.uint(0, *pid);
        fields.uint(1, *start_time);
        fields.text(2, comm);
        fields.maybe_text(3, executable.as_deref());
    });
}

fn decode_ancestor(d: &mut Decoder<'_>) -> Result<Ancestor, DecodeError> {
    let mut ancestor = Ancestor::default();
    cbor::fields(d, |key, d| {
        match key {
            0 => ancestor.pid = d.u32()?,
            1 => ancestor.start_time = d.u64()?,
            2 => ancestor.comm = text(d)?,
            3 => ancestor.executable = Some(text(d)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(ancestor)
}

fn text(d: &mut Decoder<'_>) -> Result<String, DecodeError> {
    Ok(d.str()?.to_owned())
}
