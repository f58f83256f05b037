//! Access units, containers and codecs: bytes and times in, bytes out.
