"""Python's asyncio: connect, say hello, read the answer."""

import asyncio
import sys


async def main(port: int) -> None:
    """Talk to a server on this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    print("the server says", await asyncio.wait_for(reader.readline(), 3))
    writer.close()


asyncio.run(main(int(sys.argv[1])))
