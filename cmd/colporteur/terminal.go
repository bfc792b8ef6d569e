package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// terminal is w if it is one, nil otherwise.
func terminal(w any) *os.File {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil {
		return nil
	}
	return f
}

// columns of a terminal.
func columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col < 20 {
		return 80
	}
	return int(size.Col)
}

// theirPassword is one that somebody else made: from standard input, or typed
// unseen.
func (c *cli) theirPassword(fromStdin bool, prompt string) (string, error) {
	tty := terminal(c.stdin)
	if fromStdin || tty == nil {
		if !fromStdin {
			return "", usage("--password-stdin is missing: there is no terminal to ask on")
		}
		return c.password(true)
	}
	old, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		return "", err
	}
	quiet := *old
	quiet.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, &quiet); err != nil {
		return "", err
	}
	defer unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, old)
	fmt.Fprint(c.err, prompt+" ")
	type answer struct {
		line string
		err  error
	}
	typed := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(tty, 64<<10)).ReadString('\n')
		typed <- answer{strings.TrimRight(line, "\r\n"), err}
	}()
	select {
	case a := <-typed:
		fmt.Fprintln(c.err)
		if a.line == "" {
			return "", usage("there is no password")
		}
		return a.line, a.err
	case <-c.ctx.Done(): // Ctrl-C: the terminal must show again what is typed
		fmt.Fprintln(c.err)
		return "", c.ctx.Err()
	}
}
