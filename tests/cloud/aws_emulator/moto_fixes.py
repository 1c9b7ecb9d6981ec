"""Where moto 5.2.5 answers differently from EC2, so that a second Terraform plan would find changes, or a destroy leave something."""


def apply():
    from moto.ec2.models.launch_templates import LaunchTemplateBackend
    from moto.ec2.models.nat_gateways import NatGatewayBackend
    from moto.ec2.models.security_groups import SecurityGroupRule

    # A rule that names a group keeps its description with the group; moto reads only that of an address range.
    SecurityGroupRule.description = property(lambda rule: rule.ip_range.get("Description") or rule.source_group.get("Description"))

    # The template's own tags are not part of what instances get.
    create = LaunchTemplateBackend.create_launch_template

    def create_launch_template(self, name, description, template_data, tag_spec):
        if "TagSpecifications" in template_data:
            template_data["TagSpecifications"] = [s for s in template_data["TagSpecifications"] if s.get("ResourceType") != "launch-template"]
        return create(self, name, description, template_data, tag_spec)

    LaunchTemplateBackend.create_launch_template = create_launch_template

    # A gateway takes its interface along and lets go of its address.
    delete = NatGatewayBackend.delete_nat_gateway

    def delete_nat_gateway(self, nat_gateway_id):
        gateway = delete(self, nat_gateway_id)
        self.enis.pop(gateway._eni.id, None)
        for address in self.addresses:
            if address.eni is gateway._eni:
                address.eni = address.association_id = None
        return gateway

    NatGatewayBackend.delete_nat_gateway = delete_nat_gateway
