package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"colporteur/config"
	"colporteur/host"
	"colporteur/mail"
)

// # Commands and a running server
//
// Every command that touches a host is one operation: a method of admin with
// one argument and one result, both of which can be written as JSON. When a
// server runs on the data folder the command asks it through the control
// socket, so that the change is felt at once. When none runs, the command
// takes the folder's lock and does the same itself.

// admin does the operations.
type admin struct {
	host  *host.Host
	alive bool // a server runs, and this is in it
}

// operation is one method of admin with its types forgotten.
type operation func(a *admin, ctx context.Context, in []byte) (any, error)

func op[In, Out any](f func(*admin, context.Context, In) (Out, error)) operation {
	return func(a *admin, ctx context.Context, in []byte) (any, error) {
		var v In
		if err := json.Unmarshal(in, &v); err != nil {
			return nil, mail.Wrap(mail.BadSyntax, err)
		}
		return f(a, ctx, v)
	}
}

// none is what an operation takes, or gives, that needs nothing.
type none struct{}

// control serves the operations on a socket that only its owner can open.
type control struct {
	admin *admin
	log   *slog.Logger
}

func (s control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	do, short := operations[name]
	taker, long := intakes[name]
	var out any
	var err error
	switch {
	case r.Method == http.MethodPost && short:
		var in []byte
		if in, err = io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20)); err == nil {
			out, err = do(s.admin, r.Context(), in)
		}
	case r.Method == http.MethodPost && long:
		out, err = take(r.Context(), s.admin, taker, r.Body)
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		s.log.Info("command refused", "command", name, "kind", int(mail.KindOf(err)), "err", err)
		w.WriteHeader(http.StatusUnprocessableEntity)
		out = failure{sentence(err)}
	} else if short { // the others come by the thousand
		s.log.Info("command done", "command", name)
	}
	json.NewEncoder(w).Encode(out)
}

type failure struct {
	Sentence string `json:"sentence"`
}

// serveControl answers commands until ctx ends.
func serveControl(ctx context.Context, cfg *config.Config, a *admin, log *slog.Logger) (wait func(), err error) {
	os.Remove(cfg.ControlSocket()) // of a server that was killed: we hold the folder's lock
	path, done, err := shortPath(cfg.ControlSocket())
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	done()
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // its name may be a short one that is gone
	if err := os.Chmod(cfg.ControlSocket(), 0o600); err != nil {
		ln.Close()
		return nil, err
	}
	server := &http.Server{Handler: control{a, log}, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("control socket closed", "err", err)
		}
	}()
	return func() {
		<-ctx.Done()
		os.Remove(cfg.ControlSocket())
		grace, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		server.Shutdown(grace)
		server.Close()
		<-ended
	}, nil
}

// shortPath is another name for a path that is too long for a socket's address
// (108 octets); done frees it once the socket is bound or connected.
func shortPath(path string) (short string, done func(), err error) {
	if len(path) < 100 {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { dir.Close() }, nil
}

// dialControl connects to the server on this data folder; errNoServer when none runs.
func dialControl(ctx context.Context, cfg *config.Config) (net.Conn, error) {
	path, done, err := shortPath(cfg.ControlSocket())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoServer, err)
	}
	defer done()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("%s may only be used by the user who runs the server: run this command as that user", cfg.ControlSocket())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoServer, err)
	}
	return conn, nil
}

var errNoServer = errors.New("no server runs")

// ask has an operation done by the running server, or here.
func ask[Out any](c *cli, cfg *config.Config, name string, in any) (out Out, err error) {
	b, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	conn, err := dialControl(c.ctx, cfg)
	switch {
	case err == nil:
		b, err = askServer(c.ctx, conn, name, b)
	case errors.Is(err, errNoServer):
		b, err = askHere(c, cfg, name, b)
	}
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(b, &out)
}

func askServer(ctx context.Context, conn net.Conn, name string, in []byte) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
	return post(ctx, client, name, bytes.NewReader(in))
}

func post(ctx context.Context, client *http.Client, name string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/"+name, body)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the server did not answer: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the server did not answer: %w", err)
	case resp.StatusCode == http.StatusOK:
		return b, nil
	case resp.StatusCode == http.StatusNotFound:
		return nil, refused{"the running server does not know this command: it is of another version; restart it"}
	}
	var f failure
	if json.Unmarshal(b, &f) != nil || f.Sentence == "" {
		return nil, fmt.Errorf("the server answered %s", resp.Status)
	}
	return nil, refused{f.Sentence}
}

func askHere(c *cli, cfg *config.Config, name string, in []byte) ([]byte, error) {
	do, ok := operations[name]
	if !ok {
		return nil, fmt.Errorf("there is no operation %q", name)
	}
	a, done, err := c.takeOver(cfg)
	if err != nil {
		return nil, err
	}
	out, err := do(a, c.ctx, in)
	if cerr := done(); err == nil && cerr != nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}
