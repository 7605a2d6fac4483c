package bedrock

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/tollhouse/tollhouse/adapters"
)

var (
	registryKeys = []string{"region"}
	endpointKeys = []string{"region", "access_key_id", "secret_access_key", "session_token"}
	// region is a label of a host name: nothing else may get into the address.
	region = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)+$`)
)

// Check reports what is wrong with a registry. Values are not repeated: most are secrets.
func (Provider) Check(r *adapters.Registry) []error {
	var wrong []error
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	unknown := func(prefix string, options map[string]string, known []string) {
		for name := range options {
			if !slices.Contains(known, name) {
				say("%s%s: unknown key for provider bedrock", prefix, name)
			}
		}
		if v := options["region"]; v != "" && !region.MatchString(v) {
			say("%sregion: must be a region's name, such as eu-central-1", prefix)
		}
	}
	unknown("", r.Options, registryKeys)
	for i, e := range r.Endpoints {
		at := fmt.Sprintf("endpoints[%d].", i)
		unknown(at, e.Options, endpointKeys)
		based := e.BaseURL != nil && e.BaseURL.Host != ""
		if based && e.BaseURL.Scheme != "http" && e.BaseURL.Scheme != "https" {
			say("%sbase_url: must begin with http:// or https://", at)
		}
		if regionOf(r, e) == "" && (!based || e.APIKey == "") {
			say("%sregion: must be given here, at the registry, or as AWS_REGION", at)
		}
		id, secret, session := e.Options["access_key_id"], e.Options["secret_access_key"], e.Options["session_token"]
		switch {
		case e.APIKey != "" && id+secret+session != "":
			say("%sapi_key: is a bearer key and goes without access_key_id, secret_access_key and session_token", at)
		case id == "" && secret+session != "":
			say("%saccess_key_id: must be given with secret_access_key and session_token", at)
		case id != "" && secret == "":
			say("%ssecret_access_key: must be given with access_key_id", at)
		}
	}
	return wrong
}
