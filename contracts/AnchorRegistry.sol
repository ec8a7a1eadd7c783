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

    /// The most leaves under one root. It would take 2^32 such roots to overflow a log's
    /// sum of leaves, and checked arithmetic refuses the last of them.
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
        if (logs[log].seq != expectedSeq) revert BadSequence(logs[log].seq);
        _append(log, root, count);
    }

    /// For Blockcerts (MerkleProof2019), whose verifiers want a transaction from the issuer
    /// itself with the root and nothing else as calldata.
    fallback() external {
        if (msg.data.length != 32) revert BadInput();
        _append(msg.sender, bytes32(msg.data), 1);
    }

    function _append(address log, bytes32 root, uint64 count) private {
        Log memory l = logs[log];
        if (l.frozenAt != 0) revert IsFrozen();
        if (root == 0 || count == 0 || count > MAX_COUNT) revert BadInput();
        if (entries[log][root].count != 0) revert Duplicate();

        entries[log][root] = Entry(uint64(block.number), l.seq, l.leaves, count);
        bytes32 h = sha256(abi.encodePacked(bytes1(0x02), head[log], root, l.seq, l.leaves, count));
        head[log] = h;
        logs[log] = Log(l.seq + 1, l.leaves + count, uint64(block.number), 0);
        emit Anchored(log, l.seq, root, l.leaves, count, h, l.lastBlock);
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

    /// The inclusion proof of RFC 9162, section 2.1.3.2, with SHA-256.
    function included(bytes32 root, bytes32 leaf, uint64 index, uint64 size, bytes32[] calldata path)
        public
        pure
        returns (bool)
    {
        if (index >= size) return false;
        uint64 fn = index;
        uint64 sn = size - 1;
        bytes32 r = leaf;
        for (uint256 i = 0; i < path.length; i++) {
            if (sn == 0) return false;
            if (fn & 1 == 1 || fn == sn) {
                r = sha256(abi.encodePacked(bytes1(0x01), path[i], r));
                while (fn & 1 == 0 && fn != 0) {
                    fn >>= 1;
                    sn >>= 1;
                }
            } else {
                r = sha256(abi.encodePacked(bytes1(0x01), r, path[i]));
            }
            fn >>= 1;
            sn >>= 1;
        }
        return sn == 0 && r == root;
    }
}
