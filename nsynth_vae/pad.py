"""`python -m nsynth_vae.pad`: an instrument in the browser, with four timbres in the corners of a pad."""

from __future__ import annotations

import argparse
import http.server
import pathlib
import sys
import webbrowser
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.errors import InputError

HOST = "127.0.0.1"


def make_parser() -> cli.Parser:
    """Return the command's options."""
    parser = cli.Parser(
        "nsynth_vae.pad",
        "Writes an instrument as one HTML file that browsers open without server and network. It decodes on the device "
        "it is opened on: four timbres in the corners of a pad, and what is between them; a keyboard, MIDI, the "
        "model's directions, and recordings.",
    )
    parser.add_argument("timbres", metavar="TIMBRE", nargs="*", help=f"four, or none for the model's own: {cli.TIMBRE}")
    parser.add_argument(
        "--output",
        "-o",
        metavar="FILE",
        type=cli.path,
        default=pathlib.Path("pad.html"),
        help="the HTML file (default: %(default)s)",
    )
    parser.add_argument(
        "--serve",
        metavar="PORT",
        nargs="?",
        type=int,
        const=0,
        help=f"serve the page on {HOST}, on a free port if none is given, and open the browser (Firefox: for MIDI)",
    )
    cli.add_lookup_options(parser)
    cli.add_model_options(parser, backend=False)
    parser.set_defaults(backend="litert")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(_pad, make_parser(), arguments)


def _pad(options: argparse.Namespace) -> None:
    from nsynth_vae.api import open_lookup
    from nsynth_vae.files import check_output_file, check_working_directory, expand, write_text
    from nsynth_vae.rendering import pad_page

    if options.serve is not None and not 0 <= options.serve <= 65535:
        raise InputError(f"--serve: found {options.serve}, expected a port, 0 to 65535")
    check_working_directory(options.output, "--output")
    output = expand(options.output)
    check_output_file(output, "HTML file")
    lookup = open_lookup(options)
    files = pad_page.find_files(options.model, options.exports)
    corners = pad_page.find_corners(lookup, options.timbres)
    html = pad_page.page(lookup, corners, files)
    write_text(output, html)
    cli.print_timbres(corners)
    print(f"{len(html) / 1e6:.1f} MB -> {output}")
    if options.serve is None:
        print(f"Open it in a browser, by a double click or as {output.resolve().as_uri()}")
    else:
        serve(html, options.serve)


def serve(html: str, port: int) -> None:
    """Serve a page on this machine only, and open the browser, until Ctrl-C.

    Args:
        html: the page.
        port: 0 for a free one.

    Raises:
        InputError: if the port is not free.
    """
    content = html.encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers / with the page, and nothing else."""

        def do_GET(self) -> None:
            """Send the page."""
            if self.path.split("?")[0] != "/":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Print nothing."""

    try:
        server = http.server.ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise InputError(f"--serve {port}: {error.strerror}, expected a free port") from error
    with server:
        url = f"http://{HOST}:{server.server_port}/"
        print(f"Serving {url} until Ctrl-C", flush=True)
        webbrowser.open(url)
        server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
