# Directory roles: one of our own, two built-in ones, who holds them, and who is eligible.

resource "azuread_custom_directory_role" "reader" {
  display_name = "Terraform application reader"
  description  = var.changed ? "Reads applications and their owners" : "Reads applications"
  enabled      = true
  version      = var.changed ? "1.1" : "1.0"

  permissions {
    allowed_resource_actions = var.changed ? [
      "microsoft.directory/applications/basic/read",
      "microsoft.directory/applications/owners/read",
    ] : ["microsoft.directory/applications/basic/read"]
  }
}

resource "azuread_directory_role" "helpdesk" {
  display_name = "Helpdesk Administrator"
}

resource "azuread_directory_role" "reports" {
  template_id = "4a5d8f65-41da-4de4-8968-e035b65339cf" # Reports Reader
}

resource "azuread_directory_role_assignment" "custom" {
  role_id             = azuread_custom_directory_role.reader.object_id
  principal_object_id = azuread_group.operators.object_id
}

resource "azuread_directory_role_assignment" "helpdesk_of_the_lab" {
  role_id             = azuread_directory_role.helpdesk.template_id
  principal_object_id = azuread_user.analyst.object_id
  directory_scope_id  = "/administrativeUnits/${azuread_administrative_unit.lab.object_id}"
}

resource "azuread_directory_role_member" "reports_lead" {
  role_object_id   = azuread_directory_role.reports.object_id
  member_object_id = azuread_user.lead.object_id
}

resource "azuread_directory_role_eligibility_schedule_request" "helpdesk_engineer" {
  role_definition_id = azuread_directory_role.helpdesk.template_id
  principal_id       = azuread_user.engineer.object_id
  directory_scope_id = "/"
  justification      = "On call"
}

# Who is eligible cannot be edited: the change takes this one away and gives another.
resource "azuread_directory_role_eligibility_schedule_request" "reports_of_the_plant" {
  role_definition_id = azuread_directory_role.reports.template_id
  principal_id       = azuread_user.analyst.object_id
  directory_scope_id = "/administrativeUnits/${azuread_administrative_unit.plant.object_id}"
  justification      = var.changed ? "Writes the yearly report" : "Writes the quarterly report"
}
