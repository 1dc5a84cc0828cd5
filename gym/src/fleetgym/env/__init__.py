"""Environments: Gymnasium envs whose actions are tool calls."""

from fleetgym.env.mcp_env import McpEnv
from fleetgym.env.offered import LocalTool
from fleetgym.env.spaces import ToolCallSpace, UnicodeText
from fleetgym.env.tool_env import Instance, ToolEnv

__all__ = ["Instance", "LocalTool", "McpEnv", "ToolCallSpace", "ToolEnv", "UnicodeText"]
