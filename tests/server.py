"""The server of the trials in this folder, which start and stop it."""
import os, socket, subprocess, time
import psycopg


class Server:
    """A server on one port, whatever data directory it is started on; `process` is the one that runs."""

    def __init__(self, binary, log):
        self.binary, self.log = os.path.abspath(binary), open(log, "wb")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def connect(self):
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user=omendb dbname=omendb", autocommit=True)

    def start(self, data):
        """Returns once it answers."""
        command = [self.binary, "serve", "--data", data, "--listen", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(command + ["--set", "trust_loopback=true"], stdout=self.log, stderr=self.log)
        for _ in range(600):
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise SystemExit("the server does not start")

    def end(self, signal):
        """Sends the signal that ends it and waits for that; returns what it ended with."""
        self.process.send_signal(signal)
        return self.process.wait()
