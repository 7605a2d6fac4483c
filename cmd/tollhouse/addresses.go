package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// addresses are where the running parts of one data directory can be reached, by name. They stand in
// DATA/addresses.json, for commands that are given no address.
type addresses map[string]string

func addressesFile(dataDir string) string { return filepath.Join(dataDir, "addresses.json") }

// announce prints NAME=URL and enters it into DATA/addresses.json. Several parts do this at once.
func announce(stdout io.Writer, dataDir, name, url string) error {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return err
	}
	lock := flock.New(addressesFile(dataDir) + ".lock")
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock addresses: %w", err)
	}
	defer lock.Unlock()
	all, err := readAddresses(dataDir)
	if err != nil {
		all = addresses{} // a damaged file is written anew: it holds nothing that the parts do not say again
	}
	all[name] = url
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	next := addressesFile(dataDir) + ".next"
	if err := os.WriteFile(next, append(raw, '\n'), 0o600); err != nil {
		return err
	}
	if err := os.Rename(next, addressesFile(dataDir)); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s=%s\n", name, url)
	return nil
}

func readAddresses(dataDir string) (addresses, error) {
	raw, err := os.ReadFile(addressesFile(dataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return addresses{}, nil
	}
	if err != nil {
		return nil, err
	}
	all := addresses{}
	return all, json.Unmarshal(raw, &all)
}
