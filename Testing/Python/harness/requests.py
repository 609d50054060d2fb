"""Requests for two volume nodes, as the tests of the bridge write them."""

from ISTNRegistrationLib.bridge.registration import NodeRequest, SideNodes, registerNodes


def asked(pair, checkpoint="brain", options=None, **more):
    """The request for (fixed node, moving node); ``more``: what else both have, such as ``mask=(None, node)``."""
    known = [{key: values[k] for key, values in more.items()} for k in (0, 1)]
    return NodeRequest(SideNodes(pair[0], **known[0]), SideNodes(pair[1], **known[1]), checkpoint, options or {})


def register(scene, pair, checkpoint="brain", options=None, outputs=None, onProgress=None, **more):
    """``registerNodes`` of ``asked``."""
    return registerNodes(scene, asked(pair, checkpoint, options, **more), outputs, onProgress)
