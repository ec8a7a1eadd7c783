// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who an Ethereum account says that it is (ERC-1056, "lightweight identity").
/// @notice Every account is an identity and owns itself, until it names another owner. The
/// owner adds delegates and attributes for a time, in seconds. Storage has only what other
/// contracts ask for. The rest is in events, each of which names the block of the one before
/// it, so that an identity's history is read back without a search.
/// @dev The interface, the events and the signed messages are those of ERC-1056, in a text of
/// our own for a newer compiler. An identity whose owner was set to zero was given up: those
/// who resolve it say so for ever, though for this contract it owns itself again, as in the
/// contract on public networks.
contract EthereumDIDRegistry {
    mapping(address => address) public owners;
    mapping(address => mapping(bytes32 => mapping(address => uint256))) public delegates;
    mapping(address => uint256) public changed; // the block of the newest event; 0: none
    mapping(address => uint256) public nonce; // of the signer, not of the identity

    event DIDOwnerChanged(address indexed identity, address owner, uint256 previousChange);
    event DIDDelegateChanged(address indexed identity, bytes32 delegateType, address delegate, uint256 validTo, uint256 previousChange);
    event DIDAttributeChanged(address indexed identity, bytes32 name, bytes value, uint256 validTo, uint256 previousChange);

    function identityOwner(address identity) public view returns (address) {
        address owner = owners[identity];
        return owner == address(0) ? identity : owner;
    }

    function validDelegate(address identity, bytes32 delegateType, address delegate) external view returns (bool) {
        return delegates[identity][keccak256(abi.encode(delegateType))][delegate] > block.timestamp;
    }

    function changeOwner(address identity, address newOwner) external {
        setOwner(identity, msg.sender, newOwner);
    }

    function changeOwnerSigned(address identity, uint8 sigV, bytes32 sigR, bytes32 sigS, address newOwner) external {
        setOwner(identity, signer(identity, sigV, sigR, sigS, abi.encodePacked("changeOwner", newOwner)), newOwner);
    }

    function addDelegate(address identity, bytes32 delegateType, address delegate, uint256 validity) external {
        setDelegate(identity, msg.sender, delegateType, delegate, block.timestamp + validity);
    }

    function addDelegateSigned(address identity, uint8 sigV, bytes32 sigR, bytes32 sigS, bytes32 delegateType, address delegate, uint256 validity) external {
        bytes memory deed = abi.encodePacked("addDelegate", delegateType, delegate, validity);
        setDelegate(identity, signer(identity, sigV, sigR, sigS, deed), delegateType, delegate, block.timestamp + validity);
    }

    function revokeDelegate(address identity, bytes32 delegateType, address delegate) external {
        setDelegate(identity, msg.sender, delegateType, delegate, block.timestamp);
    }

    function revokeDelegateSigned(address identity, uint8 sigV, bytes32 sigR, bytes32 sigS, bytes32 delegateType, address delegate) external {
        bytes memory deed = abi.encodePacked("revokeDelegate", delegateType, delegate);
        setDelegate(identity, signer(identity, sigV, sigR, sigS, deed), delegateType, delegate, block.timestamp);
    }

    function setAttribute(address identity, bytes32 name, bytes memory value, uint256 validity) external {
        addAttribute(identity, msg.sender, name, value, block.timestamp + validity);
    }

    function setAttributeSigned(address identity, uint8 sigV, bytes32 sigR, bytes32 sigS, bytes32 name, bytes memory value, uint256 validity) external {
        bytes memory deed = abi.encodePacked("setAttribute", name, value, validity);
        addAttribute(identity, signer(identity, sigV, sigR, sigS, deed), name, value, block.timestamp + validity);
    }

    function revokeAttribute(address identity, bytes32 name, bytes memory value) external {
        addAttribute(identity, msg.sender, name, value, 0);
    }

    function revokeAttributeSigned(address identity, uint8 sigV, bytes32 sigR, bytes32 sigS, bytes32 name, bytes memory value) external {
        bytes memory deed = abi.encodePacked("revokeAttribute", name, value);
        addAttribute(identity, signer(identity, sigV, sigR, sigS, deed), name, value, 0);
    }

    function setOwner(address identity, address actor, address newOwner) private {
        check(identity, actor);
        owners[identity] = newOwner;
        emit DIDOwnerChanged(identity, newOwner, changed[identity]);
        changed[identity] = block.number;
    }

    function setDelegate(address identity, address actor, bytes32 delegateType, address delegate, uint256 validTo) private {
        check(identity, actor);
        delegates[identity][keccak256(abi.encode(delegateType))][delegate] = validTo;
        emit DIDDelegateChanged(identity, delegateType, delegate, validTo, changed[identity]);
        changed[identity] = block.number;
    }

    function addAttribute(address identity, address actor, bytes32 name, bytes memory value, uint256 validTo) private {
        check(identity, actor);
        emit DIDAttributeChanged(identity, name, value, validTo, changed[identity]);
        changed[identity] = block.number;
    }

    function check(address identity, address actor) private view {
        require(actor == identityOwner(identity), "bad_actor");
    }

    /// The owner, who signed the deed for this contract with the owner's next number, so that
    /// nobody can send the same message twice.
    function signer(address identity, uint8 sigV, bytes32 sigR, bytes32 sigS, bytes memory deed) private returns (address) {
        address owner = identityOwner(identity);
        bytes32 digest = keccak256(bytes.concat(hex"1900", abi.encodePacked(this, nonce[owner], identity), deed));
        require(owner == ecrecover(digest, sigV, sigR, sigS), "bad_signature");
        nonce[owner]++;
        return owner;
    }
}
