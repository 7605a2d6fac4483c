package gemini

import (
	"fmt"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// tool reads an entry of tools: functions, and tools that Google runs itself.
func (d *decoder) tool(i int, value []byte) error {
	at := fmt.Sprintf("tools[%d]", i)
	return fields(value, at, func(name string, value []byte) error {
		if name != "functionDeclarations" {
			entry := &object{}
			entry.set(name, clone(value))
			d.r.Tools = append(d.r.Tools, canonical.Tool{Name: name, Foreign: encode(entry), Dialect: Name, Field: at + "." + name})
			return nil
		}
		return items(value, at+"."+name, func(j int, value []byte) error {
			t, err := d.function(value, fmt.Sprintf("%s.%s[%d]", at, name, j))
			d.r.Tools = append(d.r.Tools, t)
			return err
		})
	})
}

func (d *decoder) function(value []byte, at string) (canonical.Tool, error) {
	t := canonical.Tool{Field: at}
	err := fields(value, at, func(name string, value []byte) (err error) {
		switch name {
		case "name":
			t.Name, err = text(value, at+".name")
		case "description":
			t.Description, err = text(value, at+".description")
		case "parameters":
			t.Parameters = schemaFrom(value)
		case "parametersJsonSchema":
			t.Parameters = clone(value)
		default: // response, behavior
			d.other(at+"."+name, value, false)
		}
		return err
	})
	return t, err
}

// toolConfig reads whether functions must, may or may not be called.
func (d *decoder) toolConfig(value []byte) error {
	return fields(value, "toolConfig", func(name string, value []byte) error {
		if name == "functionCallingConfig" {
			return d.toolChoice(value)
		}
		d.other("toolConfig."+name, value, false)
		return nil
	})
}

func (d *decoder) toolChoice(value []byte) error {
	const at = "toolConfig.functionCallingConfig"
	c := &canonical.ToolChoice{Mode: canonical.ToolAuto}
	d.r.ToolChoice = c
	mode := ""
	err := fields(value, at, func(name string, value []byte) (err error) {
		switch name {
		case "mode":
			mode, err = text(value, at+".mode")
		case "allowedFunctionNames":
			c.Only, err = texts(value, at+"."+name)
		default:
			d.other(at+"."+name, value, false)
		}
		return err
	})
	if err != nil {
		return err
	}
	switch mode {
	case "", "AUTO", "MODE_UNSPECIFIED", "auto":
	case "VALIDATED": // as AUTO, with arguments that are sure to fit
		if len(c.Only) == 0 {
			d.other(at+".mode", encode(mode), true)
		}
	case "NONE", "none":
		c.Mode = canonical.ToolNone
	case "ANY", "any":
		if c.Mode = canonical.ToolRequired; len(c.Only) == 1 {
			c.Mode, c.Name, c.Only = canonical.ToolNamed, c.Only[0], nil
		}
	default:
		return adapters.InvalidRequest(at+".mode", "%s.mode must be AUTO, ANY, NONE or VALIDATED", at)
	}
	return nil
}
