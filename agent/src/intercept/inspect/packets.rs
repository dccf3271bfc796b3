//! The packet sockets of this network namespace, whose packets pass no program of a cgroup (packet(7)).

#![forbid(unsafe_code)]

use std::{collections::HashSet, fs};

use super::{super::sock_diag::owners, Seen};

/// A packet socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketSocket {
    /// Who made it.
    pub uid: u32,
    /// The processes that have it, as name and id; none that can be seen, if it is empty.
    pub owners: Vec<(String, u32)>,
}

/// All packet sockets of the network namespace of this process.
///
/// # Errors
///
/// `/proc` does not tell.
pub fn packet_sockets() -> Seen<Vec<PacketSocket>> {
    let sockets = listed(&fs::read_to_string("/proc/self/net/packet")?);
    let inodes: HashSet<u64> = sockets.iter().map(|(_, inode)| *inode).collect();
    let owners = owners(&inodes).map_err(|error| super::Unseen::of(&error))?;
    let socket = |(uid, inode)| {
        let owners = owners.get(&inode).map(Vec::as_slice).unwrap_or_default();
        PacketSocket { uid, owners: owners.iter().map(|owner| (owner.comm.clone(), owner.pid)).collect() }
    };
    Ok(sockets.into_iter().map(socket).collect())
}

/// The user and the inode of each: the eighth and the ninth field, after a line of headings.
fn listed(text: &str) -> Vec<(u32, u64)> {
    let fields = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter_map(|fields| Some((fields.get(7)?.parse().ok()?, fields.get(8)?.parse().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_and_inodes_of_packet_sockets_are_read() {
        let text = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n\
                    0000000000000000 3      3    0003   2     1 0      107    12345\n\
                    0000000000000000 3      2    0003   0     1 0      0      777\n";
        assert_eq!(listed(text), [(107, 12345), (0, 777)]);
        assert_eq!(listed("sk RefCnt\n0000 3\n"), []);
    }
}
