package vertex

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
)

// The keys that this kind knows, of a registry or of one of its endpoints.
const (
	optionProject     = "project"
	optionLocation    = "location"
	optionCredentials = "credentials_file" // of a service account, as JSON; else api_key, else the environment's
)

var known = []string{optionProject, optionLocation, optionCredentials}

// option returns the endpoint's own, else the registry's.
func option(r *adapters.Registry, e *adapters.Endpoint, name string) string {
	if v := e.Options[name]; v != "" {
		return v
	}
	return r.Options[name]
}

// A project's id or number, also of the old form example.com:name, and a location.
var (
	projectForm  = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z0-9][a-z0-9-]*$`)
	locationForm = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
)

// Check reports what is wrong with a registry.
func (Provider) Check(r *adapters.Registry) []error {
	var wrong []error
	for name := range r.Options {
		if !slices.Contains(known, name) {
			wrong = append(wrong, fmt.Errorf("%s: unknown key for provider vertex", name))
		}
	}
	for i, e := range r.Endpoints {
		report := func(key string, err error) {
			if err != nil {
				wrong = append(wrong, fmt.Errorf("endpoints[%d].%s: %w", i, key, err))
			}
		}
		for name := range e.Options {
			if !slices.Contains(known, name) {
				report(name, errors.New("unknown key for provider vertex"))
			}
		}
		report(optionProject, checkForm(option(r, e, optionProject), projectForm, "my-project"))
		report(optionLocation, checkForm(option(r, e, optionLocation), locationForm, "us-central1 or global"))
		if b := e.BaseURL; b != nil && b.Host != "" && b.Scheme != "http" && b.Scheme != "https" {
			report("base_url", errors.New("must begin with http:// or https://"))
		}
		key, file := e.APIKey.Reveal(), option(r, e, optionCredentials)
		switch {
		case isServiceAccount(key):
			_, err := serviceAccount([]byte(key))
			report("api_key", err)
		case key == "" && file != "":
			report(optionCredentials, checkFile(file))
		case key != "" && e.Options[optionCredentials] != "":
			report(optionCredentials, errors.New("is given beside api_key: one of the two"))
		}
	}
	return wrong
}

func checkForm(value string, form *regexp.Regexp, like string) error {
	if value == "" {
		return fmt.Errorf("must be given, here or for the registry, like %s", like)
	}
	if !form.MatchString(value) {
		return fmt.Errorf("must be like %s", like)
	}
	return nil
}

func checkFile(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	_, err = serviceAccount(text)
	return err
}

// isServiceAccount tells a service account's JSON from a token.
func isServiceAccount(key string) bool { return strings.HasPrefix(strings.TrimSpace(key), "{") }
