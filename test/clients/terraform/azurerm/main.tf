# Privileged access to resources as code: a resource group, a role of one's own, who has what where, and by which rules.

terraform {
  required_providers {
    azurerm = {
      source = "hashicorp/azurerm"
    }
  }
}

provider "azurerm" {
  features {}
  resource_provider_registrations = "none"
}

variable "alice" {
  description = "The object id of somebody who is eligible."
  type        = string
}

variable "bob" {
  description = "The object id of somebody who approves."
  type        = string
}

variable "changed" {
  description = "Whether the rules are as they are after the change."
  type        = bool
  default     = false
}

data "azurerm_subscription" "this" {}

data "azurerm_role_definition" "reader" {
  name  = "Reader"
  scope = data.azurerm_subscription.this.id
}

resource "azurerm_resource_group" "plant" {
  name     = "terraform-plant"
  location = "here"
  tags     = { made = "by terraform" }
}

resource "azurerm_role_definition" "operator" {
  name        = "Terraform operator"
  scope       = data.azurerm_subscription.this.id
  description = var.changed ? "Runs it all" : "Runs it"
  permissions {
    actions     = ["*/read", "Microsoft.Sql/*"]
    not_actions = ["Microsoft.Sql/servers/delete"]
  }
  assignable_scopes = [data.azurerm_subscription.this.id]
}

resource "azurerm_role_assignment" "bob" {
  scope              = azurerm_resource_group.plant.id
  role_definition_id = azurerm_role_definition.operator.role_definition_resource_id
  principal_id       = var.bob
  description        = "standing"
}

resource "azurerm_role_management_policy" "reader" {
  scope              = data.azurerm_subscription.this.id
  role_definition_id = data.azurerm_role_definition.reader.id
  eligible_assignment_rules {
    expiration_required = false
  }
  active_assignment_rules {
    expire_after = "P90D"
  }
  activation_rules {
    maximum_duration = var.changed ? "PT2H" : "PT4H"
    require_approval = true
    approval_stage {
      primary_approver {
        object_id = var.bob
        type      = "User"
      }
    }
  }
}

resource "azurerm_pim_eligible_role_assignment" "alice" {
  scope              = data.azurerm_subscription.this.id
  role_definition_id = data.azurerm_role_definition.reader.id
  principal_id       = var.alice
  justification      = "reads the plant"
  schedule {
    expiration { duration_days = 30 }
  }
  ticket {
    number = "4711"
    system = "desk"
  }
  depends_on = [azurerm_role_management_policy.reader]
}

resource "azurerm_pim_active_role_assignment" "alice" {
  scope              = azurerm_resource_group.plant.id
  role_definition_id = data.azurerm_role_definition.reader.id
  principal_id       = var.alice
  justification      = "always there"
  schedule {
    expiration { duration_hours = 24 }
  }
}
