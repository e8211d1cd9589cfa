"""The Ed25519 keys that sign snapshots; serving holds only the public one."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from endcap.errors import SnapshotRejected


def new_signing_key() -> bytes:
    """32 private bytes, from the operating system's randomness."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_key_of(signing_key: bytes) -> bytes:
    """The 32 public bytes that belong to `signing_key`."""
    return Ed25519PrivateKey.from_private_bytes(signing_key).public_key().public_bytes_raw()


def signed(signing_key: bytes, message: bytes) -> bytes:
    """The 64-byte signature of `message`."""
    return Ed25519PrivateKey.from_private_bytes(signing_key).sign(message)


def verify(public_key: bytes, signature: bytes, message: bytes, where: str) -> None:
    """Raises SnapshotRejected where `signature` is not that of `message` by the key's owner."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise SnapshotRejected(
            f"{where}: the manifest's signature does not belong to this shop's key (keys/signing.pub); train again here"
        ) from None
