package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"colporteur/config"
	"colporteur/host"
	"colporteur/mail"
)

// desk is a way to a host's operations that stays open, for commands that ask
// many times: the running server, or the host itself when none runs.
type desk struct {
	client *http.Client // of the running server
	admin  *admin       // when none runs
	close  func() error
}

// intake is an operation that is handed a stream besides its argument.
type intake func(a *admin, ctx context.Context, in []byte, body *bufio.Reader) (any, error)

func taking[In, Out any](f func(*admin, context.Context, In, *bufio.Reader) (Out, error)) intake {
	return func(a *admin, ctx context.Context, in []byte, body *bufio.Reader) (any, error) {
		var v In
		if err := json.Unmarshal(in, &v); err != nil {
			return nil, mail.Wrap(mail.BadSyntax, err)
		}
		return f(a, ctx, v, body)
	}
}

// maxArgument bounds the line in which the argument of an intake stands.
const maxArgument = 64 << 10

// take does an intake whose argument is the first line of the stream.
func take(ctx context.Context, a *admin, do intake, stream io.Reader) (any, error) {
	body := bufio.NewReaderSize(stream, maxArgument)
	in, err := body.ReadSlice('\n')
	if err != nil {
		return nil, mail.Wrap(mail.BadSyntax, err)
	}
	return do(a, ctx, bytes.Clone(in), body)
}

// open finds the running server, or takes the data folder.
func (c *cli) open(cfg *config.Config) (*desk, error) {
	conn, err := dialControl(c.ctx, cfg)
	if err == nil {
		conn.Close()
		t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialControl(ctx, cfg) }}
		return &desk{client: &http.Client{Transport: t}, close: func() error { t.CloseIdleConnections(); return nil }}, nil
	}
	if !errors.Is(err, errNoServer) {
		return nil, err
	}
	a, done, err := c.takeOver(cfg)
	if err != nil {
		return nil, err
	}
	return &desk{admin: a, close: done}, nil
}

// takeOver opens the host here, with the folder's lock.
func (c *cli) takeOver(cfg *config.Config) (a *admin, done func() error, err error) {
	unlock, err := lock(cfg)
	if errors.Is(err, errBusy) {
		return nil, nil, fmt.Errorf("a server on %s is just starting or stopping: try again in a few seconds", cfg.Data)
	}
	if err != nil {
		return nil, nil, err
	}
	key, err := masterKey(cfg.Secrets.Key)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	h, err := host.New(c.ctx, cfg, host.Options{Key: key})
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return &admin{host: h}, func() error { defer unlock(); return h.DB.Close() }, nil
}

// request has an operation done.
func request[Out any](ctx context.Context, d *desk, name string, in any) (out Out, err error) {
	b, err := json.Marshal(in)
	if err == nil && d.admin != nil {
		var made any
		if made, err = operations[name](d.admin, ctx, b); err == nil {
			b, err = json.Marshal(made)
		}
	} else if err == nil {
		b, err = post(ctx, d.client, name, bytes.NewReader(b))
	}
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(b, &out)
}

// hand has an intake done with what write writes; write has ended when it returns.
func hand[Out any](ctx context.Context, d *desk, name string, in any, write func(io.Writer) error) (out Out, err error) {
	b, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	r, w := io.Pipe()
	written := make(chan struct{})
	defer func() { r.Close(); <-written }()
	go func() {
		defer close(written)
		buffered := bufio.NewWriterSize(w, 64<<10)
		buffered.Write(append(b, '\n'))
		err := write(buffered)
		if err == nil {
			err = buffered.Flush()
		}
		w.CloseWithError(err)
	}()
	if d.admin != nil {
		var made any
		if made, err = take(ctx, d.admin, intakes[name], r); err == nil {
			b, err = json.Marshal(made)
		}
	} else {
		b, err = post(ctx, d.client, name, r)
	}
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(b, &out)
}
