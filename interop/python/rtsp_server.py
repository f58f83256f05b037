"""GStreamer's RTSP server over an MP4 file, which it plays from the start to all who watch, for `cargo xtask interop`.

Usage: rtsp_server.py PORT FILE.mp4 [USER PASSWORD]. Prints "ready" once it listens, and ends with its process.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main() -> None:
    port, path = sys.argv[1], sys.argv[2]
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(
        f'( filesrc location="{path}" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )'
    )
    factory.set_shared(True)
    if len(sys.argv) > 3:
        user, password = sys.argv[3], sys.argv[4]
        auth = GstRtspServer.RTSPAuth.new()
        # GstRtsp.RTSPAuthMethod.DIGEST
        auth.set_supported_methods(2)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.add_digest(user, password, token)
        server.set_auth(auth)
        role = Gst.Structure.new_empty("viewer")
        role.set_value("media.factory.access", True)
        role.set_value("media.factory.construct", True)
        factory.add_role_from_structure(role)
    server.get_mount_points().add_factory("/cam", factory)
    if not server.attach(None):
        sys.exit(f"cannot listen at 127.0.0.1:{port}")
    print("ready", Gst.version_string(), flush=True)
    GLib.MainLoop().run()


main()
