"""The cluster's DNS: addresses of Services, asked of the apiserver each time. Nothing else.

Pods are told of it by the kubelet. A name that is none of ours does not exist here: no question
leaves the machine. One answer a datagram, RFC 1035.
"""

import json
import socket
import ssl
import struct
import sys
import urllib.error
import urllib.request

from . import control_plane, places

PORT = 53
SUFFIX = ["svc", "cluster", "local"]
TYPE_A, CLASS_IN = 1, 1
OK, SERVER_FAILED, NO_SUCH_NAME = 0, 2, 3
ANSWER_FLAGS = 0x8580  # an answer, authoritative, recursion asked for and given
QUESTION_AT, DATAGRAM_MAX = 12, 512
TTL_SECONDS = 1
ASK_SECONDS_MAX = 2


def main() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((places.LAN, PORT))
        while True:
            query, client = server.recvfrom(DATAGRAM_MAX)
            if reply := answer(query, address_of):
                server.sendto(reply, client)


def answer(query: bytes, lookup) -> bytes | None:
    """None for what is no question: it gets no reply."""
    try:
        labels, end = read_name(query, QUESTION_AT)
        kind, _ = struct.unpack_from("!HH", query, end)
    except (IndexError, struct.error, UnicodeDecodeError):
        return None
    code, record = OK, b""
    try:
        address = lookup(labels)
        if address is None:
            code = NO_SUCH_NAME
        elif kind == TYPE_A:
            head = struct.pack("!HHHIH", 0xC000 | QUESTION_AT, TYPE_A, CLASS_IN, TTL_SECONDS, 4)
            record = head + socket.inet_aton(address)
    except OSError:
        code = SERVER_FAILED
    head = query[:2] + struct.pack("!HHHHH", ANSWER_FLAGS | code, 1, bool(record), 0, 0)
    return head + query[QUESTION_AT : end + 4] + record


def read_name(message: bytes, at: int) -> tuple[list[str], int]:
    labels = []
    while length := message[at]:
        labels.append(message[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return labels, at + 1


def address_of(labels: list[str]) -> str | None:
    """The address of SERVICE.NAMESPACE.svc.cluster.local; None if there is none."""
    if len(labels) != 2 + len(SUFFIX) or labels[2:] != SUFFIX:
        return None
    name, namespace = labels[:2]
    path = f"/api/v1/namespaces/{namespace}/services/{name}"
    try:
        return ask(path)["spec"]["clusterIP"]
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def ask(path: str) -> dict:
    """The apiserver's certificate is one that it made for itself."""
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    request = urllib.request.Request(
        f"{places.APISERVER}{path}",
        headers={"Authorization": f"Bearer {control_plane.token()}"},
    )
    with urllib.request.urlopen(request, timeout=ASK_SECONDS_MAX, context=trusting) as reply:
        return json.loads(reply.read() or b"{}")


if __name__ == "__main__":
    sys.exit(main())
