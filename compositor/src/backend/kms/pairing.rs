//! Which CRTC drives which connector. Pure; numbers stand for both.

use std::collections::HashMap;

/// A connector that needs a CRTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The free CRTCs that can drive it.
    pub possible: Vec<u32>,
    /// The one that drives it already. It keeps it where it can: changing blanks the monitor.
    pub current: Option<u32>,
}

/// Gives as many connectors as possible a CRTC each, the first ones first. The answer has the
/// order of the candidates; `None` for a connector for which no CRTC is left.
#[must_use]
pub fn pair(candidates: &[Candidate]) -> Vec<Option<u32>> {
    let mut taken: HashMap<u32, usize> = HashMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        if let Some(crtc) = candidate.current
            && candidate.possible.contains(&crtc)
        {
            taken.entry(crtc).or_insert(index);
        }
    }
    for index in 0..candidates.len() {
        if !taken.values().any(|owner| *owner == index) {
            find(candidates, index, &mut taken, &mut Vec::new());
        }
    }
    let mut pairs = vec![None; candidates.len()];
    for (crtc, index) in taken {
        pairs[index] = Some(crtc);
    }
    pairs
}

/// Finds a CRTC for a connector, if need be by giving those before it others.
fn find(
    candidates: &[Candidate],
    index: usize,
    taken: &mut HashMap<u32, usize>,
    tried: &mut Vec<u32>,
) -> bool {
    let possible = &candidates[index].possible;
    if let Some(free) = possible.iter().find(|crtc| !taken.contains_key(crtc)) {
        taken.insert(*free, index);
        return true;
    }
    for crtc in possible {
        if tried.contains(crtc) {
            continue;
        }
        tried.push(*crtc);
        let Some(owner) = taken.get(crtc).copied() else {
            continue;
        };
        if find(candidates, owner, taken, tried) {
            taken.insert(*crtc, index);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(possible: &[u32], current: Option<u32>) -> Candidate {
        Candidate {
            possible: possible.to_vec(),
            current,
        }
    }

    #[test]
    fn connectors_keep_the_crtcs_that_they_have() {
        let pairs = pair(&[
            candidate(&[1, 2, 3], None),
            candidate(&[1, 2, 3], Some(1)),
            candidate(&[1, 2, 3], Some(2)),
        ]);
        assert_eq!(pairs, [Some(3), Some(1), Some(2)]);
    }

    #[test]
    fn a_crtc_that_cannot_drive_the_connector_is_not_kept() {
        assert_eq!(pair(&[candidate(&[2], Some(1))]), [Some(2)]);
    }

    #[test]
    fn a_picky_connector_makes_another_one_move() {
        let pairs = pair(&[candidate(&[1, 2], Some(1)), candidate(&[1], None)]);
        assert_eq!(pairs, [Some(2), Some(1)]);
        let chain = pair(&[
            candidate(&[1, 2], Some(1)),
            candidate(&[2, 3], Some(2)),
            candidate(&[1], None),
        ]);
        assert_eq!(chain, [Some(2), Some(3), Some(1)]);
    }

    #[test]
    fn the_last_connectors_go_without() {
        let pairs = pair(&[
            candidate(&[1, 2], None),
            candidate(&[1, 2], None),
            candidate(&[1, 2], None),
            candidate(&[], None),
        ]);
        assert_eq!(pairs, [Some(1), Some(2), None, None]);
    }

    #[test]
    fn two_connectors_that_share_a_crtc_are_parted() {
        let pairs = pair(&[candidate(&[1, 2], Some(1)), candidate(&[1, 2], Some(1))]);
        assert_eq!(pairs, [Some(1), Some(2)]);
    }
}
