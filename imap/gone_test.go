package imap

import (
	"net"
	"testing"
	"time"
)

func TestAClientThatLeavesEndsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if left(server) {
		t.Error("a client that says nothing is taken for gone")
	}
	if _, err := client.Write([]byte("x NOOP\r\n")); err != nil {
		t.Fatal(err)
	}
	away := make(chan struct{})
	c := &conn{Conn: server}
	stop := c.watch(time.Millisecond, func() { close(away) })
	b := make([]byte, 8)
	if n, err := server.Read(b); n != 8 || err != nil {
		t.Fatalf("what was looked at is not there any more: %d, %v", n, err)
	}
	select {
	case <-away:
		t.Error("a client that is there is taken for gone")
	default:
	}
	client.Close()
	<-away
	stop()
	stop = c.watch(time.Hour, func() { t.Error("looked after the end") })
	stop()
}
