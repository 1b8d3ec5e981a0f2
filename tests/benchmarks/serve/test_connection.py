"""Answers of HTTP, in however many pieces they come."""

import pytest

from benchmarks.serve.http_connection import Connection
from benchmarks.serve.schedule import BROKEN

ANSWER = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"


class Wire:
    """Stands for a transport."""

    def __init__(self):
        self.is_closed = False
        self.sent = []

    def write(self, data):
        self.sent.append(data)

    def close(self):
        self.is_closed = True


@pytest.fixture
def talk():
    """A connection that has sent a request, and what it tells."""
    connection, told = Connection(), []
    connection._transport = Wire()
    connection.send(b"request", lambda status, body: told.append((status, body)))
    return connection, told


def test_an_answer_in_one_piece_is_told(talk):
    connection, told = talk
    connection.data_received(ANSWER)
    assert told == [(200, b"hello")]
    assert connection.is_open


@pytest.mark.parametrize("cut", range(1, len(ANSWER)))
def test_an_answer_in_two_pieces_is_told_once_it_is_whole(talk, cut):
    connection, told = talk
    connection.data_received(ANSWER[:cut])
    assert told == []
    connection.data_received(ANSWER[cut:])
    assert told == [(200, b"hello")]


def test_names_of_headers_may_be_written_in_any_case(talk):
    connection, told = talk
    connection.data_received(b"HTTP/1.1 429 Too Many\r\ncontent-LENGTH:0\r\n\r\n")
    assert told == [(429, b"")]


def test_an_answer_of_unknown_length_is_none(talk):
    connection, told = talk
    connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert told == [(BROKEN, b"")]
    assert not connection.is_open


def test_after_an_answer_that_says_so_the_connection_is_closed(talk):
    connection, told = talk
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    assert told == [(200, b"")]
    assert not connection.is_open


def test_a_connection_that_is_lost_is_told_once(talk):
    connection, told = talk
    connection.connection_lost(None)
    connection.connection_lost(None)
    assert told == [(BROKEN, b"")]


def test_a_connection_takes_one_request_after_the_other(talk):
    connection, told = talk
    connection.data_received(ANSWER)
    connection.send(b"another", lambda status, body: told.append((status, len(body))))
    connection.data_received(ANSWER)
    assert told == [(200, b"hello"), (200, 5)]
