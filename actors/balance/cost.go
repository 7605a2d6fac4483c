package balance

// cost takes the one where the request costs least: all of a registry's endpoints have the same prices, so that is where most of its
// prompt is likely to be read from a cache. Where it costs the same, and where nobody knows what it costs, they take turns by weight.
type cost struct{ weighted }

func (c *cost) Choose(r *Request, options []Option) int {
	if r.Price == nil {
		return c.among(options, 0)
	}
	cold := r.Price.Cost(r.Input, 0, r.Output)
	for i := range options {
		o := &options[i]
		o.rank = cold
		for j := range r.Holders {
			if h := &r.Holders[j]; h.Endpoint == o.Endpoint {
				o.rank = r.Price.Cost(r.Input, r.Input*h.PerMille/1000, r.Output)
			}
		}
		o.Score = o.rank
	}
	return c.lowest(options)
}
