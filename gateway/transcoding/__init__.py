"""JSON to messages and back, by functions that are compiled once per message type.

The mapping is proto3's JSON mapping as `google.protobuf.json_format` has it with proto field names
and with default values printed: 64-bit integers are strings, because a JavaScript number cannot
hold them; both forms are accepted on the way in. Differences, all towards strictness: a field has
one name (the proto's), an enum value must be known, and null is no element of a list or a map.
"""

from gateway.transcoding.decoder import Decoders, Fill
from gateway.transcoding.encoder import Encode, Encoders
from gateway.transcoding.mismatch import Mismatch

__all__ = ["Decoders", "Encode", "Encoders", "Fill", "Mismatch"]
