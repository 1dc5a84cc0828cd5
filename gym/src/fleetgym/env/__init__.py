"""Environments: Gymnasium envs whose actions are tool calls."""

from fleetgym.env.mcp_env import McpEnv
from fleetgym.env.spaces import ToolCallSpace, UnicodeText
from fleetgym.env.tool_env import Instance, LocalTool, ToolEnv

__all__ = ["Instance", "LocalTool", "McpEnv", "ToolCallSpace", "ToolEnv", "UnicodeText"]
