package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"colporteur/config"
)

const keySize = 32

// masterKey reads the key of the stored bytes: 64 hexadecimal digits, or 32
// octets as they are.
func masterKey(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the master key %s is not there: put it back from where you keep its copy; a new host gets one from `colporteur setup`", path)
	}
	if err != nil {
		return nil, err
	}
	if len(b) == keySize {
		return b, nil
	}
	key, err := hex.DecodeString(string(bytes.TrimSpace(b)))
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("the master key %s is damaged: it must be 64 hexadecimal digits or %d bytes", path, keySize)
	}
	return key, nil
}

// makeMasterKey makes the key of a new host. It never replaces one, and makes
// none for data that was stored under another.
func makeMasterKey(cfg *config.Config) (made bool, err error) {
	if _, err := os.Lstat(cfg.Secrets.Key); err == nil {
		_, err := masterKey(cfg.Secrets.Key)
		return false, err
	}
	if entries, err := os.ReadDir(cfg.BlobDir()); err == nil && len(entries) > 0 {
		_, err := masterKey(cfg.Secrets.Key) // says what to do
		return false, err
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, "colporteur.db")); err == nil {
		_, err := masterKey(cfg.Secrets.Key)
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Secrets.Key), 0o700); err != nil {
		return false, err
	}
	key := make([]byte, keySize)
	rand.Read(key)
	return true, writeNew(cfg.Secrets.Key, []byte(hex.EncodeToString(key)+"\n"))
}

// writeNew makes a file that is whole or not there, for its owner only; it
// fails if there is one.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}

// replace makes or replaces a file in one step.
func replace(path string, b []byte) error {
	os.Remove(path + ".new")
	if err := writeNew(path+".new", b); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
