// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// A public registry of append-only logs of Merkle roots. Nobody owns it, nobody
/// can change it, it holds no money, and anybody may use it.
///
/// A log is named by an address: its owner's key, which can stay cold. Only the owner,
/// and the posters that the owner names until a time, append to it. So a name can't be
/// squatted, and a transaction that somebody sees before it is mined is of no use to him.
/// Nothing here is about a person: a root is over salted hashes.
///
/// Every function takes at least one argument. That is on purpose: the fallback takes raw
/// calldata of 32 bytes, and a root whose first four bytes are a function's selector by
/// chance has to fail there, not do what the function does.
contract AnchorRegistry {
    /// seq: the number of roots, and so the place of the next one. leaves: of all roots
    /// together. lastBlock: of the newest root. frozenAt: a time, 0 while the log is open.
    struct Log {
        uint64 seq;
        uint64 leaves;
        uint64 lastBlock;
        uint64 frozenAt;
    }

    /// One root in one log; count is never 0 for a root that is there.
    struct Entry {
        uint64 blockNumber;
        uint64 seq;
        uint64 firstLeaf;
        uint64 count;
    }

    /// The most leaves under one root. A log takes no more roots once it has 2^63 leaves, so
    /// that their sum stays within 64 bits.
    uint64 private constant MAX_COUNT = 2 ** 32;

    /// The order of these five is the storage layout, on which storage proofs (EIP-1186)
    /// rely: logs is slot 0, revokedAt slot 4.
    mapping(address log => Log) public logs;
    mapping(address log => bytes32) public head;
    mapping(address log => mapping(bytes32 root => Entry)) public entries;
    mapping(address log => mapping(address poster => uint64)) public posterUntil;
    mapping(address log => mapping(bytes32 item => uint64)) public revokedAt;

    /// prevBlock is the block of the log's root before this one (0: none), so that an
    /// auditor can walk back one block at a time where a node limits ranges of events.
    event Anchored(
        address indexed log,
        uint64 indexed seq,
        bytes32 indexed root,
        uint64 firstLeaf,
        uint64 count,
        bytes32 head,
        uint64 prevBlock
    );
    event Revoked(address indexed log, bytes32 indexed item, uint32 reason);
    event PosterSet(address indexed log, address indexed poster, uint64 validUntil);
    event Frozen(address indexed log, uint64 seq);

    error NotAuthorised();
    error BadSequence(uint64 want);
    error Duplicate();
    error IsFrozen();
    error BadInput();

    /// Lets poster append to the sender's log up to and including the time validUntil
    /// (seconds since 1970). A time that is over, such as 0, ends it at once.
    function setPoster(address poster, uint64 validUntil) external {
        if (poster == address(0)) revert BadInput();
        if (logs[msg.sender].frozenAt != 0) revert IsFrozen();
        posterUntil[msg.sender][poster] = validUntil;
        emit PosterSet(msg.sender, poster, validUntil);
    }

    /// Appends root, which is over count leaves, as number expectedSeq of the log. Because
    /// the caller says which number it has to be, a transaction that is sent again, or one
    /// from a second machine of the same publisher, does no harm: it is refused.
    function anchor(address log, uint64 expectedSeq, bytes32 root, uint64 count) external {
        if (msg.sender != log && posterUntil[log][msg.sender] < block.timestamp) revert NotAuthorised();
        (uint256 place, uint256 was) = _read(log);
        if (uint64(was) != expectedSeq) revert BadSequence(uint64(was));
        _append(place, was, log, root, count);
    }

    /// For Blockcerts (MerkleProof2019), whose verifiers want a transaction from the issuer
    /// itself with the root and nothing else as calldata.
    fallback() external {
        if (msg.data.length != 32) revert BadInput();
        (uint256 place, uint256 was) = _read(msg.sender);
        _append(place, was, msg.sender, bytes32(msg.data), 1);
    }

    /// The place in storage of a log's four numbers, and the word that is there, seq in its
    /// lowest bits. Leaves the log's address at the beginning of memory.
    function _read(address log) private view returns (uint256 place, uint256 was) {
        assembly ("memory-safe") {
            mstore(0, log)
            mstore(32, logs.slot)
            place := keccak256(0, 64)
            was := sload(place)
        }
    }

    /// Appends, and ends the whole call. place and was are what _read said of log just before.
    ///
    /// Every publisher pays for this, so it is written by hand, and takes 2,200 gas less than
    /// what the compiler makes of the structs: each word of storage is read and written once,
    /// seq and leaves are moved together, and whatever could be wrong is one test.
    function _append(uint256 place, uint256 was, address log, bytes32 root, uint64 count) private {
        uint256 headPlace;
        uint256 entryPlace;
        uint256 wrong;
        assembly ("memory-safe") {
            mstore(32, head.slot) // the log's address is before it
            headPlace := keccak256(0, 64)
            mstore(32, entries.slot)
            mstore(32, keccak256(0, 64))
            mstore(0, root)
            entryPlace := keccak256(0, 64)

            let closed := or(shl(192, 0xffffffffffffffff), shl(127, 1)) // frozenAt, or 2^63 leaves
            wrong := or(iszero(root), iszero(lt(sub(count, 1), MAX_COUNT))) // so count 0, too
            wrong := or(or(and(was, closed), sload(entryPlace)), wrong)
        }
        if (wrong != 0) _refuse(was, log, root, count);
        bytes32 topic = Anchored.selector;
        // Not memory-safe: what the compiler keeps at 64 and 96 is written over, and so the call
        // has to end here.
        assembly {
            // seq, and above it leaves. A log has no more roots than leaves, which are less than
            // 2^63, so neither sum carries.
            let both := and(was, 0xffffffffffffffffffffffffffffffff)
            sstore(entryPlace, or(or(number(), shl(64, both)), shl(192, count)))
            sstore(place, or(add(add(both, 1), shl(64, count)), shl(128, number())))

            // head = SHA-256(0x02, head, root, seq, first, count), 1 + 32 + 32 + 3 * 8 bytes
            let seq := and(was, 0xffffffffffffffff)
            let first := shr(64, both)
            mstore(0, 2)
            mstore(32, sload(headPlace))
            mstore(64, root)
            mstore(96, or(or(shl(192, seq), shl(128, first)), shl(64, count)))
            if iszero(staticcall(gas(), 2, 31, 89, 64, 32)) { revert(0, 0) }
            sstore(headPlace, mload(64))

            // first, count, head, prevBlock, above which frozenAt is 0
            mstore(0, first)
            mstore(32, count)
            mstore(96, shr(128, was))
            log4(0, 128, topic, log, seq, root)
            stop()
        }
    }

    /// Says why _append can't be, and never returns.
    function _refuse(uint256 was, address log, bytes32 root, uint64 count) private view {
        if (was >> 192 != 0) revert IsFrozen();
        if (root == 0 || count == 0 || count > MAX_COUNT) revert BadInput();
        if (entries[log][root].count != 0) revert Duplicate();
        revert BadInput(); // the log has 2^63 leaves
    }

    /// Takes a root or one leaf's hash back, for good; the first time counts. Only the log's
    /// own key can: a poster's key lies on a server, and who steals it could otherwise undo
    /// all that was ever anchored. Works on a frozen log too.
    function revoke(bytes32 item, uint32 reason) external {
        if (item == 0) revert BadInput();
        if (revokedAt[msg.sender][item] != 0) revert Duplicate();
        revokedAt[msg.sender][item] = uint64(block.timestamp);
        emit Revoked(msg.sender, item, reason);
    }

    /// Ends the sender's log for good, after expectedSeq roots.
    function freeze(uint64 expectedSeq) external {
        Log storage l = logs[msg.sender];
        if (l.frozenAt != 0) revert IsFrozen();
        if (l.seq != expectedSeq) revert BadSequence(l.seq);
        l.frozenAt = uint64(block.timestamp);
        emit Frozen(msg.sender, expectedSeq);
    }

    /// What there is to know of a root, and of a leaf that is said to be under it, in one
    /// call. count is 0 when the root isn't there. revoked is when the root or the leaf was
    /// taken back, the earlier of the two; 0: never.
    function find(address log, bytes32 root, bytes32 leaf) public view returns (Entry memory entry, uint64 revoked) {
        entry = entries[log][root];
        revoked = revokedAt[log][leaf];
        uint64 whole = revokedAt[log][root];
        if (whole != 0 && (revoked == 0 || whole < revoked)) revoked = whole;
    }

    /// Whether leaf is number index under root, and root in the log; free by eth_call.
    function verify(address log, bytes32 root, bytes32 leaf, uint64 index, bytes32[] calldata path)
        external
        view
        returns (bool ok, uint64 blockNumber, uint64 revoked)
    {
        Entry memory e;
        (e, revoked) = find(log, root, leaf);
        ok = e.count != 0 && included(root, leaf, index, e.count, path);
        blockNumber = e.blockNumber;
    }

    /// The inclusion proof of RFC 9162, section 2.1.3.2, with SHA-256 (the precompile at 2).
    function included(bytes32 root, bytes32 leaf, uint64 index, uint64 size, bytes32[] calldata path)
        public
        view
        returns (bool ok)
    {
        if (index >= size) return false;
        assembly ("memory-safe") {
            let fn := index
            let sn := sub(size, 1)
            let r := leaf
            ok := 1
            let m := mload(0x40) // 0x01, left, right
            mstore8(m, 1)
            let left := add(m, 1)
            let right := add(m, 33)
            let end := add(path.offset, shl(5, path.length))
            for { let p := path.offset } lt(p, end) { p := add(p, 32) } {
                if iszero(sn) {
                    ok := 0
                    break
                }
                switch or(and(fn, 1), eq(fn, sn))
                case 0 {
                    mstore(left, r)
                    mstore(right, calldataload(p))
                }
                default {
                    mstore(left, calldataload(p))
                    mstore(right, r)
                    for {} and(iszero(and(fn, 1)), gt(fn, 0)) {} {
                        fn := shr(1, fn)
                        sn := shr(1, sn)
                    }
                }
                if iszero(staticcall(gas(), 2, m, 65, 0, 32)) { revert(0, 0) }
                r := mload(0)
                fn := shr(1, fn)
                sn := shr(1, sn)
            }
            ok := and(ok, and(iszero(sn), eq(r, root)))
        }
    }
}
