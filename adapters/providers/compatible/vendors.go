package compatible

import "github.com/tollhouse/tollhouse/adapters"

// Vendors lists the option sets.
func Vendors() []adapters.Provider {
	return []adapters.Provider{
		Provider{Vendor{Kind: "openai", BaseURL: "https://api.openai.com/v1", NeedsKey: true}},
		Provider{Vendor{Kind: "openai_compatible"}},
	}
}
