package bedrock

import (
	"encoding/json"
	"fmt"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

func (d *requestDecoder) tools(value []byte) error {
	r := d.out
	return object("toolConfig", value, func(name string, value []byte) error {
		at := "toolConfig." + name
		switch name {
		case "tools":
			return array(at, value, func(i int, value []byte) error {
				return d.tool(fmt.Sprintf("%s[%d]", at, i), value)
			})
		case "toolChoice":
			kind, inner, err := only(at, value)
			if err != nil {
				return err
			}
			c := &canonical.ToolChoice{}
			switch r.ToolChoice = c; kind {
			case "auto":
				c.Mode = canonical.ToolAuto
			case "any":
				c.Mode = canonical.ToolRequired
			case "tool":
				c.Mode = canonical.ToolNamed
				return object(at+".tool", inner, func(name string, value []byte) error {
					if name == "name" {
						return readText(at+".tool.name", value, &c.Name)
					}
					return nil
				})
			default:
				return adapters.InvalidRequest(at, "%s must be auto, any or tool", at)
			}
			return nil
		}
		d.other(at, value)
		return nil
	})
}

func (d *requestDecoder) tool(path string, value []byte) error {
	kind, inner, err := only(path, value)
	if err != nil {
		return err
	}
	r := d.out
	switch n := len(r.Tools); {
	case kind == "cachePoint" && n > 0 && r.Tools[n-1].Cache == nil:
		r.Tools[n-1].Cache, err = decodeCache(path, inner)
		return err
	case kind != "toolSpec":
		r.Tools = append(r.Tools, canonical.Tool{Name: kind, Foreign: json.RawMessage(compact(value)), Dialect: Name, Field: path})
		return nil
	}
	t := canonical.Tool{Field: path}
	at := path + ".toolSpec"
	err = object(at, inner, func(name string, value []byte) error {
		switch name {
		case "name":
			return readText(at+".name", value, &t.Name)
		case "description":
			return readText(at+".description", value, &t.Description)
		case "inputSchema":
			_, schema, err := only(at+".inputSchema", value)
			if err == nil {
				t.Parameters = json.RawMessage(compact(schema))
			}
			return err
		case "strict":
			t.Strict = new(bool)
			return readSwitch(at+".strict", value, t.Strict)
		}
		d.other(at+"."+name, value)
		return nil
	})
	r.Tools = append(r.Tools, t)
	return err
}
