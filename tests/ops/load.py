"""Requests at a steady rate, and what became of each."""

import http.client
import itertools
import threading
import time

from stack import send


class Load:
    """Runs until it is stopped. `request(n)` gives method, path, body and headers of the n-th
    request. `answers` holds for each: when it was sent, how long it took, its status (0 where no
    answer came), the body."""

    def __init__(self, stack, request, rate=200, threads=24, port=None):
        self.stack, self.request, self.port = stack, request, port
        self.answers, self.going = [], True
        self.numbers, self.lock = itertools.count(), threading.Lock()
        self.start, self.pause = time.monotonic(), 1 / rate
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self):
        connection = self.stack.connect(self.port)
        while self.going:
            with self.lock:
                number = next(self.numbers)
            due = self.start + number * self.pause
            while self.going and (wait := due - time.monotonic()) > 0:
                time.sleep(min(wait, 0.2))
            if not self.going:
                break
            begin = time.monotonic()
            try:
                status, _, body = send(connection, *self.request(number))
            except (OSError, http.client.HTTPException) as error:
                status, body = 0, repr(error).encode()
                connection.close()
                connection = self.stack.connect(self.port)
            self.answers.append((begin, time.monotonic() - begin, status, body))
        connection.close()

    def stop(self):
        self.going = False
        for thread in self.threads:
            thread.join()
        return self.answers


def statuses(answers):
    """How often each status came."""
    found = {}
    for _, _, status, _ in answers:
        found[status] = found.get(status, 0) + 1
    return dict(sorted(found.items()))


def good_since(answers, moment):
    """How many seconds after a moment the last failure was sent; 0 where there was none."""
    failures = [begin for begin, _, status, _ in answers if begin > moment and status >= 500
                or begin > moment and status == 0]
    return max(failures, default=moment) - moment
