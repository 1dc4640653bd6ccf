# An HL7 receiver on python3-hl7: it prints its port, and what type and control ID each
# message has, and answers AA.
import asyncio
from hl7.mllp import start_hl7_server


async def serve(reader, writer):
    try:
        while not writer.is_closing():
            message = await reader.readmessage()
            header = message.segment("MSH")
            print(header[9], header[10], flush=True)
            writer.writemessage(message.create_ack())
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()


async def main():
    server = await start_hl7_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
